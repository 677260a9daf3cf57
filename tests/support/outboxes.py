"""Outboxes that a relay empties, and a bus that does what a test says."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg

from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome
from shared.messaging.outbox import OutboxRow, insert_messages
from shared.messaging.outlet import Outlet
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import Lane
from tests.support.eventually import eventually

SOON = 30.0  # seconds; what a busy machine leaves to the next sweep waits for the end of a lease, which is 15


class Moody(PostgresLanes):
    """Lanes that get stuck where a test says so; what it was asked to publish, it counts."""

    def __init__(self, database: Database, *lanes: Lane) -> None:
        super().__init__(database, name="test", lanes=lanes)
        self.asked: Counter[UUID] = Counter()
        self.stuck: set[str] = set()
        self.outcome: PublishOutcome | None = None  # instead of publishing
        self.is_away = False
        self.moved = asyncio.Condition()

    def destination(self, exchange: Exchange, routing_key: str) -> str:
        """As a broker has it: a queue a lane."""
        del exchange
        return routing_key

    def is_up(self) -> bool:
        """Unless it is said to be away."""
        return not self.is_away and super().is_up()

    async def publish(self, batch: Sequence[Outgoing]) -> list[PublishOutcome]:
        """Later, not at all, or as usual."""
        self.asked.update(each.message_id for each in batch)
        async with self.moved:
            self.moved.notify_all()
            await self.moved.wait_for(lambda: not self.stuck & {each.routing_key for each in batch})
        return [self.outcome] * len(batch) if self.outcome else await super().publish(batch)

    async def release(self) -> None:
        """Nothing is stuck any more."""
        async with self.moved:
            self.stuck.clear()
            self.moved.notify_all()


@contextlib.asynccontextmanager
async def running(relay: Relay | Outlet) -> AsyncIterator[None]:
    """As long as the block lasts; its end is that of a killed process: no farewell."""
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def row_for(lane: Lane) -> OutboxRow:
    """A message to a lane."""
    return OutboxRow(message_id=new_id(), tenant_id=None, exchange=Exchange.COMMANDS, routing_key=lane.name, body=b"{}")


async def commit(database: Database, rows: Sequence[OutboxRow], *, is_leftover: bool = False) -> None:
    """Rows as a transaction leaves them, or as one left them whose process died long ago."""
    async with database.transaction() as conn:
        await insert_messages(conn, rows)
        if is_leftover:
            await conn.execute(
                "UPDATE bus.outbox SET sweep_at = now() WHERE message_id = ANY ($1)", [row.message_id for row in rows]
            )


async def unpublished(sql: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many rows wait."""
    found: int = await sql.fetchval("SELECT count(*) FROM bus.outbox WHERE published_at IS NULL")
    return found


async def all_published(sql: "asyncpg.Connection[asyncpg.Record]", *, within: float = SOON) -> None:
    """Wait until nothing waits."""
    await eventually(lambda: unpublished(sql), lambda count: count == 0, within=within)


async def count(bus: Moody, rows: Sequence[OutboxRow]) -> int:
    """How often these were to be published."""
    return sum(bus.asked[row.message_id] for row in rows)
