"""The relay on a real database: what is committed is published, once, by whoever is there."""

import asyncio
import dataclasses
import datetime as dt
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import asyncpg
import pytest

from services.cli.own_queues import forget_queue, note_queue
from shared.crypto.keyring import load_ring
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Exchange, PublishOutcome
from shared.messaging.outbox import OutboxRow, claim_leftovers, insert_messages
from shared.messaging.outlet import BATCH, BATCH_OF_FACTS, Outlet
from shared.messaging.relay import Relay
from shared.messaging.topology import POLICY_COMMANDS
from shared.messaging.unit_of_work import outbox_row
from tests.support.eventually import eventually
from tests.support.outboxes import Moody, all_published, commit, count, row_for, running, unpublished
from tests.support.receiver import Receiver
from tests.support.scripted import SINGLE, Script, about, consumer_on, effects_of
from tests.support.tenants import new_tenant
from tests.support.transports import new_lane

HOUR = 3600.0


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
