"""Writes down what became of published rows, many at a time."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database
from shared.messaging.bus import PublishOutcome
from shared.messaging.outbox import RowKey, mark_failed, mark_published

log = structlog.get_logger()

AT_ONCE = 1_000  # rows
PAUSE = 1.0  # seconds, with the database away


class Journal:
    """What was confirmed, and what was not. A crash before it is written has the row published again."""

    def __init__(self, database: Database, written: Callable[[Sequence[RowKey]], None]) -> None:
        """``written`` is told which rows the table knows about."""
        self._database = database
        self._written = written
        self._noted: dict[RowKey, PublishOutcome] = {}
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()

    def note(self, key: RowKey, outcome: PublishOutcome) -> None:
        """Write it down soon."""
        self._noted[key] = outcome
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled. What comes while one statement runs goes together into the next."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._noted:
                if not await self._write():
                    await asyncio.sleep(PAUSE)

    async def flush(self) -> None:
        """Write all of it, or, with the database away, leave it to whoever publishes it again."""
        while self._noted and await self._write():
            pass

    async def _write(self) -> bool:
        """One batch; False while the database is away, and the batch is kept."""
        async with self._writing:
            batch = sorted(self._noted.items())[:AT_ONCE]  # in one order everywhere: two that overlap do not deadlock
            try:
                async with self._database.connection() as conn:  # not a transaction, for the same reason
                    await _mark(conn, batch)
            except StoreUnavailable:
                log.warning("outbox_not_marked", rows=len(self._noted))
                return False
            except Exception as error:  # noqa: BLE001 - the rows are published again, and marked then
                log.error("outbox_not_marked", rows=len(batch), error=error)
            for key, _ in batch:
                del self._noted[key]
            self._written([key for key, _ in batch])
            return True


async def _mark(conn: Connection, outcomes: Sequence[tuple[RowKey, PublishOutcome]]) -> None:
    confirmed = [key for key, outcome in outcomes if outcome is PublishOutcome.CONFIRMED]
    failed = [(key, outcome.value) for key, outcome in outcomes if outcome is not PublishOutcome.CONFIRMED]
    if confirmed:
        await mark_published(conn, confirmed)
    if failed:
        log.warning("outbox_not_confirmed", rows=len(failed), first=failed[0][1])
        await mark_failed(conn, failed)
