"""The relay with a bus that refuses, says nothing or is away: a lane's trouble is no other's, and nothing is lost."""

import contextlib
import datetime as dt
from collections.abc import Iterator

import asyncpg
import pytest

from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Exchange, PublishOutcome
from shared.messaging.outbox import OutboxRow
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.relay import Relay
from shared.messaging.topology import LANES, Lane
from tests.support.eventually import eventually
from tests.support.outboxes import Moody, all_published, commit, count, row_for, running, unpublished
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import Receiver
from tests.support.transports import FAST, new_lane


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
