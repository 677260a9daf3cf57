"""Queues beside a transaction that stays open (a dump, a session that somebody forgot): nothing that is done with is
cleared away meanwhile, and yet a claim must not read over all of it.

What a statement touches is counted in pages, which a busy machine does not change.
"""

import datetime as dt
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.policy.queries.timers import claim_due_timers
from shared.clock import host_now
from shared.db.low_water import EVERYTHING
from shared.messaging.outbox import claim_leftovers, mark_published
from tests.support.statements import statements

DONE = 5_000  # rows that were claimed and finished while the transaction was open
BATCH = 1_000
OLD = dt.timedelta(minutes=10)  # so long ago they were due
REACH = dt.timedelta(seconds=30)
FEW = 40  # pages: what is bearable however many rows were done with

LANE = "policy.commands"

Sql = asyncpg.Connection


@pytest.fixture(scope="module")
async def sql(dsn: str) -> AsyncIterator["Sql[asyncpg.Record]"]:
    """Works while another transaction stays open. Its own statements are planned as those of services are."""
    forgotten, conn = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    await conn.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET deskfactor.work_queues = 'on'")
    async with forgotten.transaction(isolation="repeatable_read"):
        await forgotten.fetchval("SELECT count(*) FROM policy.timers")
        yield conn
    await forgotten.close()
    await conn.close()


async def touched(sql: "Sql[asyncpg.Record]", sender: str, *arguments: object) -> int:
    """How many pages the statement of that function reads, wherever they come from."""
    [statement] = [each.sql for each in statements() if each.sender == sender]
    told = await sql.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    plan = json.loads(told)[0]["Plan"]
    pages: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return pages


async def test_timers_that_fired_are_not_read_again(sql: "Sql[asyncpg.Record]") -> None:
    """Every engine asks once a second, and each fired timer stays in the index that it asks."""
    await sql.execute(
        """
        INSERT INTO policy.timers (timer_id, tenant_id, account_id, subject, kind, payload, correlation_id,
                                   causation_id, due_at)
        SELECT id, id, 'ann', 'x', 'x', '{}', id, id, now() - $2::interval
          FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)) AS new
        """,
        DONE,
        OLD,
    )
    for _ in range(DONE // BATCH):
        assert len(await claim_due_timers(sql, host_now=host_now(), at_most=BATCH)) == BATCH
    claim, ask = "policy.timers.claim_due_timers", "policy.timers.seconds_to_next_timer"
    assert await touched(sql, claim, host_now(), BATCH, EVERYTHING) > DONE // 2
    assert await touched(sql, claim, host_now(), BATCH, REACH) <= FEW
    assert await touched(sql, ask, host_now(), REACH) <= FEW


async def test_messages_that_were_handled_are_not_read_again(sql: "Sql[asyncpg.Record]") -> None:
    """With a dump every night, lanes would be as slow as it is long."""
    await sql.execute(
        """
        INSERT INTO bus.lane_messages (id, lane, message_id, body, available_at)
        SELECT id, $3, id, 'x', now() - $2::interval
          FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)) AS new
        """,
        DONE,
        OLD,
        LANE,
    )
    lease = dt.timedelta(seconds=30)
    claim = "messaging.postgres_lanes.messages.Work.claim"
    for _ in range(DONE // BATCH):
        rows = await sql.fetch(
            "SELECT id FROM bus.claim_messages_since($1, $2, 1, $3, 3, $4)", LANE, BATCH, lease, EVERYTHING
        )
        done = [row["id"] for row in rows]
        assert len(done) == BATCH
        await sql.execute("SELECT bus.settle_messages($1, '{}', '{}', '{}', '{}', '{}')", done)
    assert await touched(sql, claim, LANE, BATCH, 1, lease, 3, EVERYTHING) > DONE // 2
    assert await touched(sql, claim, LANE, BATCH, 1, lease, 3, REACH) <= FEW


async def test_what_was_published_is_not_read_again(sql: "Sql[asyncpg.Record]") -> None:
    """Every process sweeps once a second; a sweep that is not answered in time leaves all that a crash left over."""
    await sql.execute(
        """
        INSERT INTO bus.outbox (message_id, routing_key, exchange, body, sweep_at)
        SELECT bus.id_floor(now() - n * interval '1 second'), $3, 'deskfactor.commands', 'x', now() - $2::interval
          FROM generate_series(1, $1::int) AS n
        """,
        DONE,
        OLD,
        LANE,
    )
    lease = dt.timedelta(seconds=15)
    for _ in range(DONE // BATCH):
        found = await claim_leftovers(sql, lease=lease, limit=BATCH)
        assert len(found.rows) == BATCH
        assert OLD <= found.waited < 2 * OLD
        await mark_published(sql, [row.key for row in found.rows])
    sweep = "messaging.outbox.claim_leftovers"
    everything = await touched(sql, sweep, BATCH, lease, dt.timedelta(), EVERYTHING)
    assert await touched(sql, sweep, BATCH, lease, dt.timedelta(), REACH) <= FEW < everything
