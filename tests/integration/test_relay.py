"""The relay: what was committed is published, whatever dies, is slow or is away; what counts twice is not our doing."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast
from uuid import UUID

import asyncpg
import pytest

from services.cli.own_queues import forget_queue, note_queue
from shared.crypto.keyring import load_ring
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome
from shared.messaging.outbox import OutboxRow, claim_leftovers, insert_messages
from shared.messaging.outlet import BATCH, BATCH_OF_FACTS, Outlet
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.relay import Relay
from shared.messaging.topology import LANES, POLICY_COMMANDS, Lane
from shared.messaging.unit_of_work import outbox_row
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import Receiver
from tests.support.scripted import EFFECTS, SINGLE, Script, about, consumer_on, effects_of
from tests.support.tenants import new_tenant
from tests.support.transports import FAST, new_lane

SOON = 30.0  # seconds; what a busy machine leaves to the next sweep waits for the end of a lease, which is 15
HOUR = 3600.0


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, and an outbox that nobody else writes into."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(EFFECTS)
    await conn.execute("DELETE FROM bus.outbox")
    yield conn
    await conn.close()


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


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    """As a service."""
    return await database_for("policy")


async def test_only_facts_of_a_tenant_with_a_queue_of_its_own_go_there(
    database: Database, dsn: str, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Those leave one by one; and it is kept in the row: a sweep tells a tenant as much as a dead process would."""
    acme, other = await new_tenant(dsn), await new_tenant(dsn)
    rows = [
        OutboxRow(message_id=new_id(), tenant_id=tenant_id, exchange=exchange, routing_key=key, body=b"{}")
        for tenant_id in (acme, other)
        for exchange, key in ((Exchange.EVENTS, "login.decided"), (Exchange.COMMANDS, POLICY_COMMANDS.name))
    ]
    for _ in range(2):
        await note_queue(cast("Connection", sql), acme)
    async with database.transaction([acme, other]) as conn:
        stored = await insert_messages(conn, rows)
    assert [row.outgoing().has_own_queue for row in stored] == [True, False, False, False]
    of_a_duty = dataclasses.replace(rows[0], message_id=new_id())
    async with database.transaction(work_queues=True) as conn:  # which names no tenant
        [told] = await insert_messages(conn, [of_a_duty])
    assert told.has_own_queue
    async with database.connection() as conn:
        swept = await claim_leftovers(conn, lease=dt.timedelta(seconds=1), limit=10, early=dt.timedelta(hours=1))
    own = {row.message_id for row in swept.rows if row.has_own_queue}
    assert own == {rows[0].message_id, of_a_duty.message_id}

    await forget_queue(cast("Connection", sql), acme)
    again = [dataclasses.replace(row, message_id=new_id()) for row in rows]
    async with database.transaction([acme, other]) as conn:
        assert await insert_messages(conn, again) == again


async def test_what_is_handed_over_is_published_at_once(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A mailed code that waited for a sweep would be five seconds late, every time."""
    lane, receiver = new_lane(), Receiver()
    async with Moody(database, lane) as bus:
        relay = Relay(database, bus)
        await bus.consume(lane, receiver.receive)
        async with running(relay):
            row = row_for(lane)
            await commit(database, [row])
            await sql.execute("UPDATE bus.outbox SET sweep_at = now() + interval '1 hour'")  # no sweep brings it
            relay.hand_over([row])
            [got] = await receiver.wait_for(1)
            await all_published(sql)
    assert got.message_id == row.message_id


@pytest.mark.parametrize("batch", [BATCH, BATCH_OF_FACTS])
async def test_what_comes_alone_leaves_at_once_and_what_follows_leaves_together(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]", batch: int
) -> None:
    """A frame costs each lane that takes it a transaction, however little is in it; a full one waits for nothing."""
    lane = new_lane()
    first, *rows = [row_for(lane) for _ in range(1 + batch + 1)]
    await commit(database, [first, *rows])
    async with Moody(database, lane) as bus:
        outlet = Outlet(bus, lambda _rows, _outcomes: None, pace=HOUR, batch=batch)
        async with running(outlet):
            outlet.put(first)
            await eventually(lambda: count(bus, [first]), lambda asked: asked == 1)
            for row in rows[: batch - 1]:
                outlet.put(row)
            await sql.fetchval("SELECT 1")  # time enough for whoever does not wait
            assert await count(bus, rows) == 0
            outlet.put(rows[batch - 1])
            await eventually(lambda: count(bus, rows), lambda asked: asked == batch)
            outlet.put(rows[batch])
            await outlet.flush()
            assert await count(bus, rows) == batch + 1


async def test_killed_between_publish_and_mark_the_message_counts_once(
    dsn: str, key_dir: Path, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """The one gap that no transaction closes: the row is published again, and the inbox knows its id."""
    tenant_id, script = await new_tenant(dsn), Script()
    row = outbox_row(about(tenant_id, "ann", SINGLE))
    await commit(database, [row])
    async with Moody(database, POLICY_COMMANDS) as bus:
        consumer = consumer_on(database, script, load_ring(key_dir, "seal.gateway"), bus=bus)
        assert await bus.publish([row.outgoing()]) == [PublishOutcome.CONFIRMED]  # and here its process dies
        assert await unpublished(sql) == 1
        successor = Relay(database, bus)
        assert await successor.sweep_once(older_than_seconds=0) == 1
        assert await unpublished(sql) == 0
        receiver = Receiver()
        await bus.consume(POLICY_COMMANDS, receiver.receive)
        both = await receiver.wait_for(2)
        await consumer.receive([both[0]])
        await consumer.receive([both[1]])
    assert both[0].message_id == both[1].message_id == row.message_id
    assert await effects_of(sql, tenant_id, "ann") == 1


async def test_leftovers_of_a_dead_process_are_published_by_another(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Nobody has to come back for its messages to leave; and a sweep that died holding them holds them for a while."""
    lane = new_lane()
    swept, fresh = [row_for(lane) for _ in range(3)], row_for(lane)
    await commit(database, swept, is_leftover=True)
    async with Moody(database, lane) as bus:
        bus.stuck = {lane.name}
        async with running(Relay(database, bus)):
            await eventually(lambda: count(bus, swept), lambda asked: asked == 3)
        await bus.release()
        successor = Relay(database, bus)
        await commit(database, [fresh])
        assert await successor.sweep_once() == 0  # in the dead one's hands, as far as anybody can know
        leased = await sql.fetchval("SELECT min(sweep_at) - now() FROM bus.outbox WHERE published_at IS NULL")
        assert dt.timedelta() < leased < dt.timedelta(seconds=15)
        await sql.execute("UPDATE bus.outbox SET sweep_at = now()")
        async with running(successor):
            await all_published(sql)


async def count(bus: Moody, rows: Sequence[OutboxRow]) -> int:
    """How often these were to be published."""
    return sum(bus.asked[row.message_id] for row in rows)


async def test_one_stuck_lane_holds_up_no_other(database: Database, sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A publish waits ten seconds for its confirm; the codes behind it live for ten minutes, their people for less."""
    stuck, other = new_lane(), new_lane()
    stuck_rows, other_rows = [row_for(stuck) for _ in range(700)], [row_for(other) for _ in range(700)]
    done = "SELECT count(*) FROM bus.outbox WHERE published_at IS NOT NULL AND routing_key = $1"

    async def marked(lane: Lane) -> int:
        found: int = await sql.fetchval(done, lane.name)
        return found

    await commit(database, [*stuck_rows, *other_rows])
    async with Moody(database, stuck, other) as bus:
        bus.stuck = {stuck.name}
        relay = Relay(database, bus)
        async with running(relay):
            for pair in zip(stuck_rows, other_rows, strict=True):
                relay.hand_over(pair)
            await eventually(lambda: marked(other), lambda number: number == 700)
            assert await marked(stuck) == 0
            assert await count(bus, stuck_rows) <= 200  # a broker stops reading when many more wait for one queue
            await bus.release()
            await all_published(sql)


async def test_a_row_in_hand_is_not_published_again_by_the_own_sweep(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A slow broker would get everything twice, just when it is slow."""
    lane = new_lane()
    row = row_for(lane)
    await commit(database, [row])
    async with Moody(database, lane) as bus:
        bus.stuck = {lane.name}
        relay = Relay(database, bus)
        async with running(relay):
            relay.hand_over([row])
            await eventually(lambda: count(bus, [row]), lambda asked: asked == 1)
            await sql.execute("UPDATE bus.outbox SET sweep_at = now()")
            lease = "SELECT sweep_at > now() FROM bus.outbox WHERE message_id = $1"
            await eventually(lambda: sql.fetchval(lease, row.message_id), bool)  # swept, and kept from the others
            assert await count(bus, [row]) == 1
            await bus.release()
            await all_published(sql)
    assert await count(bus, [row]) == 1


async def test_a_row_handed_over_twice_is_published_once(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Its writer and a sweep may both bring it."""
    lane = new_lane()
    row = row_for(lane)
    await commit(database, [row])
    async with Moody(database, lane) as bus:
        relay = Relay(database, bus)
        relay.hand_over([row, row])
        await relay.drain()
    assert (await count(bus, [row]), await unpublished(sql)) == (1, 0)


async def test_many_sweeps_at_once_publish_each_leftover_once(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Every process sweeps; after an outage all of them do so at the same moment."""
    lane = new_lane()
    rows = [row_for(lane) for _ in range(1_000)]
    await commit(database, rows, is_leftover=True)
    async with Moody(database, lane) as bus, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(running(Relay(database, bus)))
        await all_published(sql)
    assert set(bus.asked.values()) == {1}
    assert len(bus.asked) == 1_000


async def test_who_says_much_waits_until_there_is_room(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A hundred thousand timers are due at once: what found no room would wait five seconds for the sweep."""
    lane = new_lane()
    rows = [row_for(lane) for _ in range(60)]
    await commit(database, rows)
    async with Moody(database, lane) as bus:
        bus.stuck = {lane.name}
        relay = Relay(database, bus)
        await relay.catch_up(most=0)
        relay.hand_over(rows)
        await relay.catch_up(most=60)
        async with running(relay):
            waiting = asyncio.create_task(relay.catch_up(most=0))
            await eventually(lambda: count(bus, rows), lambda asked: asked == 60)
            assert not waiting.done()
            await bus.release()
            await waiting
    assert await unpublished(sql) == 0


async def test_nobody_waits_for_room_with_the_bus_away(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """What cannot leave is the sweep's, and the timers go on."""
    lane = new_lane()
    rows = [row_for(lane) for _ in range(60)]
    await commit(database, rows)
    async with Moody(database, lane) as bus:
        bus.is_away = True
        relay = Relay(database, bus)
        async with running(relay):
            relay.hand_over(rows)
            await relay.catch_up(most=0)
    assert await unpublished(sql) == 60


@pytest.mark.parametrize("outcome", [PublishOutcome.REFUSED, PublishOutcome.UNKNOWN, PublishOutcome.UNROUTABLE])
async def test_what_was_not_confirmed_comes_again_later(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]", outcome: PublishOutcome
) -> None:
    """The row stays, says why, and does not come at once: a full queue is not emptied by being asked faster."""
    lane = new_lane()
    row = row_for(lane)
    await commit(database, [row])
    async with Moody(database, lane) as bus:
        bus.outcome = outcome
        relay = Relay(database, bus)
        for seconds in (5, 10, 20, 30, 30):
            before, pause = await sql.fetchval("SELECT now()"), dt.timedelta(seconds=seconds)
            relay.hand_over([row])
            await relay.drain()
            told = await sql.fetchrow("SELECT last_outcome, sweep_at, now() AS after FROM bus.outbox")
            assert told is not None
            assert told["last_outcome"] == outcome.value
            assert before + pause <= told["sweep_at"] <= told["after"] + pause
        bus.outcome = None
        await sql.execute("UPDATE bus.outbox SET sweep_at = now()")
        assert await relay.sweep_once() == 1
    assert await unpublished(sql) == 0


async def test_a_lane_in_doubt_is_tried_with_one_message(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Hundreds that wait for a queue without a leader would make the broker stop reading from the connection."""
    lane = new_lane()
    first, rows = row_for(lane), [row_for(lane) for _ in range(100)]
    await commit(database, [first, *rows])
    async with Moody(database, lane) as bus:
        bus.outcome = PublishOutcome.UNKNOWN
        relay = Relay(database, bus)
        relay.hand_over([first])
        await relay.drain()
        relay.hand_over(rows)
        await relay.drain()
        assert await count(bus, rows) == 1
        bus.outcome = None
        async with running(relay):
            await sql.execute("UPDATE bus.outbox SET sweep_at = now()")
            await eventually(lambda: count(bus, rows), lambda asked: asked > 1)
            await sql.execute("UPDATE bus.outbox SET sweep_at = now()")
            await all_published(sql)


async def test_with_the_bus_down_nothing_is_tried_and_nothing_is_lost(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """An outage must not cost each row attempts and pauses: when the bus is back, everything leaves at once."""
    lane = new_lane()
    rows = [row_for(lane) for _ in range(300)]
    await commit(database, rows, is_leftover=True)
    async with Moody(database, lane) as bus:
        relay = Relay(database, bus)
        async with running(relay):
            bus.is_away = True
            relay.hand_over(rows)
            await relay.drain()
            assert await sql.fetchval("SELECT max(attempts) FROM bus.outbox") == 0
            bus.is_away = False
            await all_published(sql)
    assert set(bus.asked.values()) == {1}


async def test_the_end_of_a_process_publishes_what_waits(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A deployment stops every process; what they said last must not wait for a sweep."""
    lane = new_lane()
    rows = [row_for(lane) for _ in range(120)]
    await commit(database, rows)
    async with Moody(database, lane) as bus:
        relay = Relay(database, bus)
        relay.hand_over(rows)
        await relay.drain()
    assert await unpublished(sql) == 0


async def test_a_queue_without_a_leader_stops_no_other(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]", rabbit: Rabbit
) -> None:
    """The audit log's queue takes every event; a login's commands and mails must leave while it stands still."""
    topic = new_lane().name
    frozen, other, receiver, log = new_lane(binds=(f"{topic}.#",), batch=100), new_lane(), Receiver(), Receiver()

    def event() -> OutboxRow:
        return OutboxRow(
            message_id=new_id(), tenant_id=None, exchange=Exchange.EVENTS, routing_key=f"{topic}.said", body=b"{}"
        )

    async with RabbitBus(rabbit.urls, name="test", lanes=[frozen, other], retry_delays=FAST) as bus:
        await bus.consume(other, receiver.receive)
        relay = Relay(database, bus)
        async with running(relay):
            with _frozen(rabbit, frozen):
                for _ in range(10):
                    events = [event() for _ in range(100)]
                    await commit(database, events)
                    relay.hand_over(events)
                for number in range(1, 6):
                    await commit(database, [row := row_for(other)])
                    relay.hand_over([row])
                    await receiver.wait_for(number, within=9)  # before a publish to the queue is given up
                assert bus.is_up()
            await bus.consume(frozen, log.receive)
            await all_published(sql, within=90)
            await eventually(lambda: distinct(log), lambda got: got == 1_000, within=30)


async def distinct(receiver: Receiver) -> int:
    """Messages that came, each counted once."""
    return len({each.message_id for each in receiver.messages})


@contextlib.contextmanager
def _frozen(rabbit: Rabbit, lane: Lane) -> Iterator[None]:
    """Its queue's process stands still, as a leader does that lost its peers."""
    process = f"whereis('%2F_{lane.name}.v1')"
    rabbit.ctl("eval", f"sys:suspend({process}).")
    try:
        yield
    finally:
        rabbit.ctl("eval", f"sys:resume({process}).")


def test_destinations_fail_one_by_one() -> None:
    """Rows are grouped by what gets stuck together: the lanes that take them."""
    bus = RabbitBus(["amqp://127.0.0.1:1/"], name="test", lanes=LANES)
    assert bus.destination(Exchange.COMMANDS, "notifier.email") != bus.destination(Exchange.COMMANDS, "notifier.sms")
    both = bus.destination(Exchange.EVENTS, "factor.confirmed")
    assert both == bus.destination(Exchange.EVENTS, "factor.revoked")
    assert both != bus.destination(Exchange.EVENTS, "login.decided") == bus.destination(Exchange.EVENTS, "audit.head")
