"""One way out of a process: the rows for one destination, which wait, are published in batches, and never hold up
those for another.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from shared.clock import monotonic
from shared.messaging.bus import Bus, PublishOutcome
from shared.messaging.outbox import OutboxRow
from shared.observability.metrics import OUTBOX_PUBLISHED

log = structlog.get_logger()

ROOM = 2_000  # rows waiting in memory; more stay in the table for the sweep
BATCH = 100  # rows: as many as a worker takes of most commands that come in lists; two make a page of deadlines
BATCH_OF_FACTS = 200  # rows: as many as the log takes in one transaction
AT_ONCE = 200  # rows; so many to a queue without a leader leave its connection usable for others, 500 do not
SLOW_AFTER = 0.05  # seconds a batch is alone on its way, so that what comes meanwhile travels together
PACE = 0.1  # seconds from one batch of facts to the next: each costs every lane that takes it a transaction
HOLD = 4.0  # seconds a row may wait here; then the sweep of any process may take it

Settle = Callable[[Sequence[OutboxRow], Sequence[PublishOutcome | None]], None]
"""Told of each row what became of it; None: it was not published, and is the sweep's."""


class Outlet:
    """Rows for one destination. After a batch of which nothing was confirmed a single row finds out when it is over."""

    def __init__(self, bus: Bus, settle: Settle, *, pace: float = 0.0, batch: int = BATCH) -> None:
        """``pace``: seconds from one batch to the next, unless that one is full. Who comes alone waits for nothing."""
        self._bus = bus
        self._pace = pace
        self._batch = batch
        self._at_once = max(1, AT_ONCE // batch)
        self._left_at = float("-inf")
        self._settle = settle
        self._waiting: deque[tuple[float, OutboxRow]] = deque()
        self._arrived = asyncio.Event()
        self._filled = asyncio.Event()
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._is_doubtful = False

    def room(self) -> int:
        """How many more rows may be put in."""
        most = 1 if self._is_doubtful else ROOM
        return max(0, most - len(self._waiting) - (len(self._on_their_way) if self._is_doubtful else 0))

    def put(self, row: OutboxRow) -> None:
        """Take a row for which there is room."""
        self._waiting.append((monotonic(), row))
        self._arrived.set()
        if len(self._waiting) >= self._batch:
            self._filled.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self._fill()
                    await self._next()
        finally:
            for task in self._on_their_way:
                task.cancel()
            await asyncio.gather(*self._on_their_way, return_exceptions=True)

    async def flush(self) -> None:
        """Publish what waits, and see what is on its way to its end."""
        while self._waiting:
            await self._next()
        await asyncio.gather(*self._on_their_way)

    async def _fill(self) -> None:
        """Give a batch the time to become one, where another has just left."""
        left = self._left_at + self._pace - monotonic()
        if left > 0 and len(self._waiting) < self._batch:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._filled.wait()

    async def _next(self) -> None:
        while len(self._on_their_way) >= (1 if self._is_doubtful else self._at_once):
            await asyncio.wait(self._on_their_way, return_when=asyncio.FIRST_COMPLETED)
        batch = self._take()
        if batch:
            self._left_at = monotonic()
            task = asyncio.create_task(self._publish(batch))
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)
            await asyncio.wait({task}, timeout=SLOW_AFTER)

    def _take(self) -> list[OutboxRow]:
        """The next rows. With the bus down, and after `HOLD`, they are left to the sweep instead."""
        batch: list[OutboxRow] = []
        left: list[OutboxRow] = []
        most = 1 if self._is_doubtful else self._batch
        too_old = monotonic() - HOLD
        is_up = self._bus.is_up()
        while self._waiting and len(batch) < most:
            since, row = self._waiting.popleft()
            (batch if is_up and since > too_old else left).append(row)
        if left:
            self._settle(left, [None] * len(left))
        return batch

    async def _publish(self, batch: Sequence[OutboxRow]) -> None:
        try:
            outcomes = await self._bus.publish([row.outgoing() for row in batch])
        except Exception as error:  # noqa: BLE001 - it does not raise; should it do so, the rows come again
            log.error("publish_failed", rows=len(batch), error=error)
            outcomes = [PublishOutcome.UNKNOWN] * len(batch)
        for outcome in outcomes:
            OUTBOX_PUBLISHED.labels(outcome=outcome.value).inc()
        if PublishOutcome.CONFIRMED in outcomes:
            self._is_doubtful = False
        elif PublishOutcome.UNKNOWN in outcomes or PublishOutcome.REFUSED in outcomes:
            self._is_doubtful = True
        self._settle(batch, outcomes)
