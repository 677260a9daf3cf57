"""The notifier's composition root."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from services.notifier.adapters.dispute_links import DisputeLinks
from services.notifier.adapters.renderer import Renderer
from services.notifier.adapters.senders import open_live, open_sandbox
from services.notifier.adapters.webhook_http import open_posters
from services.notifier.consumers import TABLE
from services.notifier.deps import Deps
from services.notifier.handlers.dispatch import dispatching
from services.notifier.handlers.webhook_dispatch import POSTS_AT_ONCE, dispatching_webhooks
from services.notifier.schedule import SCHEDULE
from services.notifier.settings import NotifierSettings
from shared.contracts.types import Channel
from shared.messaging.consumer import Consumer
from shared.process import Core, open_core
from shared.schedule import run_schedule
from shared.settings import Environment

RINGS = ("seal.notifier", "seal.gateway", "dispute")


@contextlib.asynccontextmanager
async def serve(settings: NotifierSettings) -> AsyncIterator[Core]:
    """Run the notifier for the length of the block."""
    async with (
        open_live(settings) as live,
        open_sandbox(settings) as sandbox,
        open_posters(settings.env is not Environment.PRODUCTION, connections=POSTS_AT_ONCE) as posters,
        open_core(settings, name="notifier", rings=RINGS) as core,
    ):
        deps = Deps(
            database=core.database,
            relay=core.relay,
            seal=core.ring("seal.notifier"),
            dispute_links=DisputeLinks(
                ring=core.ring("dispute"), to_us=core.ring("seal.notifier"), public_url=settings.public_url
            ),
            renderer=Renderer(),
            live=live,
            sandbox=sandbox,
            posters=posters,
            wake={channel: asyncio.Event() for channel in Channel},
            webhook_wake=asyncio.Event(),
            public_url=settings.public_url,
            domain=settings.domain,
        )
        answers = core.ring("seal.gateway")
        consumer = Consumer(
            table=TABLE, deps=deps, database=core.database, bus=core.bus, relay=core.relay, answers=answers
        )
        await consumer.start()
        core.spawn(run_schedule(SCHEDULE, deps))
        async with dispatching(deps), dispatching_webhooks(deps):
            try:
                yield core
            finally:
                core.health.is_leaving = True
