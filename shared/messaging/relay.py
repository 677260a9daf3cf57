"""Publishes what was committed: right after the commit, and, by a sweep, what a crash left over."""

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

import structlog

from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.messaging.bus import Bus, PublishOutcome
from shared.messaging.outbox import OutboxRow, claim_leftovers, insert_messages, mark_failed, mark_published
from shared.observability.metrics import OUTBOX_PUBLISHED

log = structlog.get_logger()

SWEEP_EVERY = 1.0  # seconds
LEFTOVER_AFTER = 5.0  # seconds; younger rows are in the hands of the process that wrote them
SWEEP_BATCH = 200
QUEUE_LENGTH = 10_000  # rows waiting in memory; more stay in the table for the sweep


class Relay:
    """One a process. `hand_over` never waits: what finds no place here is found by the sweep."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._fresh: asyncio.Queue[OutboxRow] = asyncio.Queue(QUEUE_LENGTH)

    def hand_over(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows that have just been committed."""
        with contextlib.suppress(asyncio.QueueFull):
            for row in rows:
                self._fresh.put_nowait(row)

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_fresh())
            tasks.create_task(self._sweep())

    async def drain(self) -> None:
        """Publish what is waiting in memory; for the end of a process."""
        while not self._fresh.empty():
            await self._publish(self._take())

    async def _publish_fresh(self) -> None:
        while True:
            first = await self._fresh.get()
            await self._publish([first, *self._take()])

    def _take(self) -> list[OutboxRow]:
        count = min(self._fresh.qsize(), SWEEP_BATCH)
        return [self._fresh.get_nowait() for _ in range(count)]

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        """Publish and mark. A crash between the two publishes again: the inbox of each consumer absorbs it."""
        confirmed = await self._send(rows)
        try:
            async with self._database.connection() as conn:
                await mark_published(conn, confirmed)
        except StoreUnavailable:
            log.warning("outbox_not_marked", rows=len(confirmed))

    async def _send(self, rows: Sequence[OutboxRow]) -> list[UUID]:
        outcomes = await self._bus.publish([row.outgoing() for row in rows])
        for outcome in outcomes:
            OUTBOX_PUBLISHED.labels(outcome=outcome.value).inc()
        return [
            row.message_id for row, outcome in zip(rows, outcomes, strict=True) if outcome is PublishOutcome.CONFIRMED
        ]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            with contextlib.suppress(StoreUnavailable):
                while await self.sweep_once() == SWEEP_BATCH:
                    pass

    async def sweep_once(self, *, older_than_seconds: float = LEFTOVER_AFTER) -> int:
        """Publish up to a batch of leftovers; returns how many were confirmed. Their rows are locked meanwhile."""
        async with self._database.transaction(work_queues=True) as conn:
            rows = await claim_leftovers(conn, older_than_seconds=older_than_seconds, limit=SWEEP_BATCH)
            if not rows:
                return 0
            confirmed = set(await self._send(rows))
            await mark_published(conn, list(confirmed))
            failed = [(row.message_id, "not_confirmed") for row in rows if row.message_id not in confirmed]
            if failed:
                await mark_failed(conn, failed)
        if failed:
            log.warning("outbox_leftovers", confirmed=len(confirmed), failed=len(failed))
        return len(confirmed)


async def publish_now(database: Database, relay: Relay, rows: Sequence[OutboxRow], tenants: Sequence[UUID]) -> None:
    """Store rows that no handler wrote, in a transaction of their own, and hand them over."""
    async with database.transaction(tenants) as conn:
        await insert_messages(conn, rows)
    relay.hand_over(rows)
