"""The composition root of the verifier."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from services.otp_worker.adapters.assertions import AssertionSigner
from services.otp_worker.consumers import TABLE
from services.otp_worker.deps import Deps
from services.otp_worker.handlers.time_passing import SLACK
from services.otp_worker.queries.keys import register_public_keys
from services.otp_worker.schedule import SCHEDULE
from services.otp_worker.settings import OtpWorkerSettings
from shared.crypto.data_keys import RingMasterKey
from shared.db.connection import StoreUnavailable
from shared.db.low_water import LowWater
from shared.db.pool import Database, wait_until_up
from shared.messaging.consumer import Consumer
from shared.process import Core, open_core
from shared.schedule import run_schedule

RINGS = ("rest", "digest", "seal.gateway", "seal.otp_worker", "seal.notifier", "sign.assertion")


@contextlib.asynccontextmanager
async def serve(settings: OtpWorkerSettings) -> AsyncIterator[Core]:
    """The service, running until the block ends."""
    async with open_core(settings, name="otp_worker", rings=RINGS) as core:
        signer = AssertionSigner(core.ring("sign.assertion"))
        deps = Deps(
            database=core.database,
            relay=core.relay,
            master_key=RingMasterKey(core.ring("rest")),
            digests=core.ring("digest"),
            typed=core.ring("seal.otp_worker"),
            notifier=core.ring("seal.notifier"),
            assertions=signer,
            public_host=urlsplit(settings.public_url).hostname or "localhost",
            low_water=LowWater(slack=SLACK),
        )
        consumer = Consumer(
            table=TABLE,
            deps=deps,
            database=core.database,
            bus=core.bus,
            relay=core.relay,
            answers=core.ring("seal.gateway"),
        )
        core.spawn(_publish_keys(core.database, signer))
        await consumer.start()
        core.spawn(run_schedule(SCHEDULE, deps))
        yield core


async def _publish_keys(database: Database, signer: AssertionSigner) -> None:
    """In the background, as often as it takes: the service starts although its database is away."""
    while True:
        await wait_until_up(database)
        with contextlib.suppress(StoreUnavailable):
            async with database.transaction() as conn:
                await register_public_keys(conn, signer.public_keys)
            return
