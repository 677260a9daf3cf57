"""Puts policy together: the consumers and the timers, each a process of its own or both in one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.policy.adapters.report_files import ReportFiles
from services.policy.consumers import TABLE
from services.policy.deps import CancelLinks, Deps
from services.policy.schedule import BESIDE_TIMERS, SCHEDULE, run_timers
from services.policy.settings import PolicySettings
from shared.messaging.consumer import Consumer
from shared.process import Core, open_core
from shared.schedule import run_schedule

RINGS = ("seal.gateway", "seal.policy", "seal.notifier", "cancel")


@asynccontextmanager
async def serve(settings: PolicySettings) -> AsyncIterator[Core]:
    """Answer requests, listen to commands and events."""
    async with open_core(settings, name="policy", rings=RINGS) as core:
        deps = _deps(core, settings)
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


@asynccontextmanager
async def serve_timers(settings: PolicySettings) -> AsyncIterator[Core]:
    """Fire timers, and nothing else."""
    async with open_core(settings, name="policy", rings=()) as core:
        core.spawn(run_timers(core.database, core.relay))
        core.spawn(run_schedule(BESIDE_TIMERS, core.database))
        yield core


def _deps(core: Core, settings: PolicySettings) -> Deps:
    links = CancelLinks(
        ring=core.ring("cancel"),
        to_us=core.ring("seal.policy"),
        to_notifier=core.ring("seal.notifier"),
        public_url=settings.public_url,
    )
    files = ReportFiles(
        ring=core.ring("seal.policy"), to_notifier=core.ring("seal.notifier"), public_url=settings.public_url
    )
    return Deps(cancel_links=links, report_files=files, database=core.database, relay=core.relay)
