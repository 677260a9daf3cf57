"""Queues beside a transaction that stays open (a dump, a session that somebody forgot): nothing that is done with is
cleared away meanwhile, and yet a claim must not read over all of it.

What a statement touches is counted in pages, which a busy machine does not change.
"""

import datetime as dt
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.notifier.queries.deliveries import claim_deliveries
from services.notifier.queries.webhook_deliveries import claim_webhooks
from services.otp_worker.queries.expiry import expire_challenges, expire_factors
from services.policy.queries.timers import claim_due_timers
from shared.clock import host_now
from shared.contracts.types import Channel
from shared.db.low_water import EVERYTHING
from shared.ids import new_id
from shared.messaging.outbox import claim_leftovers, mark_published
from tests.support.statements import statements
from tests.support.tenants import new_tenant

DONE = 5_000  # rows that were claimed and finished while the transaction was open
BATCH = 1_000
OLD = dt.timedelta(minutes=10)  # so long ago they were due
REACH = dt.timedelta(seconds=30)
FEW = 40  # pages: what is bearable however many rows were done with
INDEX = DONE // 50  # pages of an index that is read whole

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


async def touched(sql: "Sql[asyncpg.Record]", sender: str, *arguments: object, naming: str = "") -> int:
    """How many pages the statement of that function reads, wherever they come from; of several, the one ``naming``."""
    [statement] = [each.sql for each in statements() if each.sender == sender and naming in each.sql]
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


async def test_mails_that_were_sent_are_not_read_again(dsn: str, sql: "Sql[asyncpg.Record]") -> None:
    """Every notifier asks once a second, and at each login whose code is mailed."""
    tenant_id = await new_tenant(dsn)
    await sql.execute(
        """
        INSERT INTO notifier.deliveries
               (tenant_id, delivery_id, account_id, channel, notification, destination, masked, language, time_zone,
                params, actor, command_id, correlation_id, next_attempt_at)
        SELECT $3, id, 'ann', 'email', 'x', 'x', 'x', 'en', 'UTC', '{}', 'x', id, id, now() - $2::interval
          FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)) AS new
        """,
        DONE,
        OLD,
        tenant_id,
    )
    lease = dt.timedelta(seconds=120)
    for _ in range(DONE // BATCH):
        claimed = await claim_deliveries(sql, Channel.EMAIL, limit=BATCH)
        assert len(claimed) == BATCH
        assert all(OLD <= each.waited < 2 * OLD for each in claimed)
    await sql.execute(
        "UPDATE notifier.deliveries SET state = 'delivered', lease_until = NULL, ended_at = now() WHERE tenant_id = $1",
        tenant_id,
    )
    claim = "notifier.deliveries.claim_deliveries"
    everything = await touched(sql, claim, "email", BATCH, lease, EVERYTHING)
    assert await touched(sql, claim, "email", BATCH, lease, REACH) <= FEW < everything


_QUEUE_WEBHOOKS = """
INSERT INTO notifier.webhook_deliveries
       (tenant_id, endpoint_id, event_id, delivery_id, event_type, body, next_attempt_at)
SELECT $3, $3, id, id, 'x', decode(repeat('00', 500), 'hex'), now() - $2::interval - n * interval '1 ms'
  FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $1::int) AS n) AS new
"""


async def test_webhooks_that_were_delivered_are_not_read_again(dsn: str, sql: "Sql[asyncpg.Record]") -> None:
    """Every notifier asks once a second, and whenever an endpoint has answered. What was due before the mark is passed
    over in the index of what waits; the rows, which are many times as large, are left alone.
    """
    tenant_id = await new_tenant(dsn)
    await sql.execute(
        """
        INSERT INTO notifier.webhook_endpoints (tenant_id, endpoint_id, url, description, events, secret)
        VALUES ($1, $1, 'x', '', '{*}', 'x')
        """,
        tenant_id,
    )
    await sql.execute(_QUEUE_WEBHOOKS, DONE, OLD, tenant_id)
    claimed = await claim_webhooks(sql, limit=BATCH)
    assert claimed.rows
    assert OLD <= claimed.waited < 2 * OLD
    await sql.execute(
        "UPDATE notifier.webhook_deliveries SET state = 'sending', lease_until = now() WHERE tenant_id = $1", tenant_id
    )
    await sql.execute(
        """
        UPDATE notifier.webhook_deliveries SET state = 'delivered', lease_until = NULL, ended_at = now()
         WHERE tenant_id = $1
        """,
        tenant_id,
    )
    claim, lease = "notifier.webhook_deliveries.claim_webhooks", dt.timedelta(seconds=60)
    everything = await touched(sql, claim, BATCH, lease, 4, EVERYTHING)
    assert await touched(sql, claim, BATCH, lease, 4, REACH) <= FEW + INDEX < everything
    await sql.execute(_QUEUE_WEBHOOKS, 1, dt.timedelta(), tenant_id)
    assert await touched(sql, claim, BATCH, lease, 4, REACH) <= 2 * FEW + INDEX
    assert (await claim_webhooks(sql, limit=BATCH, reach=REACH)).waited == dt.timedelta()


async def test_challenges_and_factors_that_are_over_are_not_read_again(dsn: str, sql: "Sql[asyncpg.Record]") -> None:
    """Every login leaves one, and who ends what nobody answered asks every five seconds."""
    tenant_id = await new_tenant(dsn)
    await sql.execute(
        """
        INSERT INTO otp.challenges (tenant_id, challenge_id, account_id, purpose, state, context, factor_epoch,
                                    created_at, expires_at)
        SELECT $3, gen_random_uuid(), 'ann' || n, 'sign_in', 'open', 'x', 0, now() - 2 * $2::interval,
               now() - $2::interval
          FROM generate_series(1, $1::int) AS n
        """,
        DONE,
        OLD,
        tenant_id,
    )
    await sql.execute(
        """
        INSERT INTO otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, challenge_id, created_at,
                                 expires_at)
        SELECT $3, gen_random_uuid(), 'ann' || n, 'totp', 'pending', 'x', 'x', $3, now() - 2 * $2::interval,
               now() - $2::interval
          FROM generate_series(1, $1::int) AS n
        """,
        DONE,
        OLD,
        tenant_id,
    )
    for _ in range(DONE // BATCH):
        for found in (
            await expire_challenges(sql, limit=BATCH, is_moved=False),
            await expire_factors(sql, limit=BATCH, is_moved=False),
        ):
            assert len(found) == BATCH
            assert all(OLD <= each.waited < 2 * OLD for each in found)
    for expire in ("expire_challenges", "expire_factors"):
        sender = f"otp_worker.expiry.{expire}"
        everything = await touched(sql, sender, BATCH, EVERYTHING, naming="LEFT JOIN")
        assert await touched(sql, sender, BATCH, REACH, naming="LEFT JOIN") <= FEW < everything


async def test_requests_that_were_answered_are_not_read_again(sql: "Sql[asyncpg.Record]") -> None:
    """By the second route each login is a request and a reply, and each of these reads what waits on its lane."""
    await sql.execute(
        """
        INSERT INTO bus.requests (id, lane, message_id, body, reply_to, expires_at, valid_until)
        SELECT bus.id_floor(now() - n * interval '0.1 second'), $3, gen_random_uuid(), 'x', 1, now() - $2::interval,
               now() - $2::interval
          FROM generate_series(1, $1::int) AS n
        """,
        DONE,
        OLD,
        LANE,
    )
    await sql.execute(
        """
        INSERT INTO bus.replies (request_id, reply_to, body, valid_until)
        SELECT id, reply_to, body, valid_until FROM bus.requests
        """
    )
    await sql.execute("UPDATE bus.requests SET claimed_at = now(); DELETE FROM bus.requests; DELETE FROM bus.replies")
    requests = "messaging.postgres_lanes.requests"
    turns = []
    for _ in range(3):  # at first the functions themselves are read, and what the catalogues say of all that they name
        hand_in = (new_id(), LANE, new_id(), b"x", "{}", 1, host_now(), -OLD, BATCH)
        handing_in = await touched(sql, f"{requests}.hand_in_request", *hand_in)
        claim = await touched(sql, f"{requests}.Requests.claim", LANE, BATCH, 1)
        turns.append((handing_in, claim, await touched(sql, f"{requests}.take_replies", 1)))
    assert max(min(pages) for pages in zip(*turns, strict=True)) <= FEW
    sweep = "messaging.postgres_lanes.janitor.Janitor.step"
    everything = await touched(sql, sweep, EVERYTHING, naming="sweep")
    assert await touched(sql, sweep, REACH, naming="sweep") <= everything // 10
