"""Audit, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.audit.adapters.signing import HeadSigner
from services.audit.adapters.vault import RingVault
from services.audit.consumers import TABLE
from services.audit.deps import Deps
from services.audit.schedule import SCHEDULE
from services.audit.settings import AuditSettings
from shared.crypto.data_keys import RingMasterKey
from shared.messaging.consumer import Consumer
from shared.process import Core, open_core
from shared.schedule import run_schedule

RINGS = ("rest.audit", "sign.audit", "seal.gateway")


@asynccontextmanager
async def serve(settings: AuditSettings) -> AsyncIterator[Core]:
    """Append and answer until the block ends."""
    async with open_core(settings, name="audit", rings=RINGS) as core:
        deps = Deps(
            vault=RingVault(RingMasterKey(core.ring("rest.audit"))),
            signer=HeadSigner(core.ring("sign.audit")),
            database=core.database,
            relay=core.relay,
        )
        consumer = Consumer(
            table=TABLE,
            deps=deps,
            database=core.database,
            bus=core.bus,
            relay=core.relay,
            answers=core.ring("seal.gateway"),
        )
        await consumer.start()
        core.spawn(run_schedule(SCHEDULE, deps))
        yield core
