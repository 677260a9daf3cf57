"""What a service does every so often: a table of periods and duties, each in a loop of its own."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from shared.db.connection import StoreUnavailable

log = structlog.get_logger()

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Every(Generic[D]):
    """A duty and its period. It answers whether there is more to do right away. Any number of replicas may run it."""

    period: dt.timedelta
    duty: Callable[[D], Awaitable[bool]]


async def run_schedule(table: Sequence[Every[D]], deps: D) -> None:
    """Run every duty of the table until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for entry in table:
            tasks.create_task(_repeat(entry, deps), name=entry.duty.__name__)


async def _repeat(entry: Every[D], deps: D) -> None:
    """A duty that fails is logged and comes again: its rows are still there."""
    while True:
        has_more = False
        try:
            has_more = await entry.duty(deps)
        except StoreUnavailable:
            log.warning("store_unavailable", duty=entry.duty.__name__)
        except Exception as error:  # noqa: BLE001 - the duty comes again
            log.error("duty_failed", duty=entry.duty.__name__, error=error)
        if not has_more:
            await asyncio.sleep(entry.period.total_seconds())
