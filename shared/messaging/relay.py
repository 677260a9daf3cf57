"""Publishes what was committed: right after the commit, and, by a sweep, what a crash left over."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import structlog

from shared.db.connection import StoreUnavailable
from shared.db.low_water import EVERYTHING, LowWater
from shared.db.pool import Database
from shared.messaging.bus import Bus, Exchange, PublishOutcome
from shared.messaging.journal import Journal
from shared.messaging.outbox import Leftovers, OutboxRow, RowKey, claim_leftovers
from shared.messaging.outlet import BATCH, BATCH_OF_FACTS, PACE, Outlet

log = structlog.get_logger()

SWEEP_EVERY = 1.0  # seconds
LEFTOVER_AFTER = 5.0  # seconds; the column's default: younger rows are in the hands of the process that wrote them
SWEEP_BATCH = 200
SWEEP_ROUNDS = 10  # batches a sweep takes at most: a backlog that nobody can publish shall not keep the database busy
LEASE = dt.timedelta(seconds=15)  # of a leftover: longer than it may wait in an outlet and a publish may take
SLACK = dt.timedelta(seconds=30)  # a row may be committed so long after its time to be swept
SETTLE_PAUSE = 0.05  # seconds between two batches of one sweep, for the outlets to make room


class Relay:
    """One a process. `hand_over` never waits: what finds no place here is found by the sweep.

    A row is in one of three hands: in this process's, until it is published and marked; leased by a sweep; or nobody's,
    which is what a crash makes of it. Published twice it counts once: each consumer's inbox knows its id.
    """

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._outlets: dict[str, Outlet] = {}
        self._journal = Journal(database, self._forget)
        self._in_hand: set[RowKey] = set()
        self._let_go = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._low_water = LowWater(slack=SLACK)

    def hand_over(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows that have just been committed."""
        for row in rows:
            self._take(row)

    async def catch_up(self, *, most: int) -> None:
        """Wait until at most ``most`` rows are in this process's hands; for who could say more than there is room for.

        Ends also with the bus away, when rows are left to the sweep. Nothing moves unless the relay runs.
        """
        while len(self._in_hand) > most:
            self._let_go.clear()
            await self._let_go.wait()

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for outlet in self._outlets.values():
                    tasks.create_task(outlet.run())
                tasks.create_task(self._journal.run())
                await self._sweep()
            finally:
                self._tasks = None

    async def drain(self) -> None:
        """Publish what is waiting in memory, and mark it; for the end of a process."""
        await asyncio.gather(*(outlet.flush() for outlet in self._outlets.values()))
        await self._journal.flush()

    async def sweep_once(self, *, older_than_seconds: float = LEFTOVER_AFTER) -> int:
        """Publish and mark a batch of leftovers; returns how many were found."""
        found = await self._claim(EVERYTHING, early=dt.timedelta(seconds=LEFTOVER_AFTER - older_than_seconds))
        await self.drain()
        return len(found.rows)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            try:
                for _ in range(SWEEP_ROUNDS):
                    if not self._bus.is_up() or not await self._has_more():
                        break
                    await asyncio.sleep(SETTLE_PAUSE)
            except StoreUnavailable:
                pass
            except Exception as error:  # noqa: BLE001 - the rows are still there
                log.error("sweep_failed", error=error)

    async def _has_more(self) -> bool:
        """Take a batch of leftovers; whether there may be another."""
        found = await self._claim(self._low_water.reach())
        is_full = len(found.rows) == SWEEP_BATCH
        self._low_water.seen(found.waited if is_full else dt.timedelta())
        return is_full

    async def _claim(self, reach: dt.timedelta, *, early: dt.timedelta = dt.timedelta()) -> Leftovers:
        async with self._database.connection() as conn:
            found = await claim_leftovers(conn, lease=LEASE, limit=SWEEP_BATCH, early=early, reach=reach)
        if found.rows:
            log.info("outbox_leftovers", rows=len(found.rows))
        for row in found.rows:
            self._take(row)
        return found

    def _take(self, row: OutboxRow) -> None:
        """Into the outlet of its destination; where there is no room, or it is there already, nothing happens."""
        outlet = self._outlet(row)
        if row.key not in self._in_hand and outlet.room():
            self._in_hand.add(row.key)
            outlet.put(row)

    def _outlet(self, row: OutboxRow) -> Outlet:
        """Somebody waits for the mail of a command; nobody for a fact to be written down among others."""
        destination = self._bus.destination(row.exchange, row.routing_key)
        outlet = self._outlets.get(destination)
        if outlet is None:
            pace, batch = (PACE, BATCH_OF_FACTS) if row.exchange is Exchange.EVENTS else (0.0, BATCH)
            outlet = self._outlets[destination] = Outlet(self._bus, self._settle, pace=pace, batch=batch)
            if self._tasks is not None:
                self._tasks.create_task(outlet.run())
        return outlet

    def _settle(self, rows: Sequence[OutboxRow], outcomes: Sequence[PublishOutcome | None]) -> None:
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome is None:
                self._forget([row.key])
            else:
                self._journal.note(row.key, outcome)

    def _forget(self, keys: Sequence[RowKey]) -> None:
        self._in_hand.difference_update(keys)
        self._let_go.set()
