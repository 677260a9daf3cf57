"""The upkeep of the tables that are cut into ranges of time, also after it stood still for long."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest

from services.otp_worker.queries.partitions import maintain_partitions
from shared.db.pool import Database
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

SERVICES = ("gateway", "otp_worker", "policy", "notifier", "audit", "operator")
DAY = dt.timedelta(days=1)

Superuser = asyncpg.Connection


@pytest.fixture
async def sql(new_dsn: Callable[[], str]) -> AsyncIterator["Superuser[asyncpg.Record]"]:
    """A database of one's own, as whoever may do everything."""
    conn = await asyncpg.connect(new_dsn())
    yield conn
    await conn.close()


async def upkeep(sql: "Superuser[asyncpg.Record]", ahead: str = "14 days") -> list[str]:
    """What it says that it did."""
    return [row[0] for row in await sql.fetch("SELECT bus.maintain_partitions($1::text::interval)", ahead)]


async def say(sql: "Superuser[asyncpg.Record]", age: dt.timedelta, *, is_published: bool = True) -> UUID:
    """A message of that age."""
    found: UUID = await sql.fetchval(
        """
        INSERT INTO bus.outbox (message_id, routing_key, exchange, body, created_at, published_at)
        VALUES (bus.id_floor(now() - $1::interval), 'x', 'x', '', now() - $1::interval,
                CASE WHEN $2 THEN now() - $1::interval END)
        RETURNING message_id
        """,
        age,
        is_published,
    )
    return found


async def where(sql: "Superuser[asyncpg.Record]", message_id: UUID) -> str | None:
    """The partition in which a message lies."""
    found: str | None = await sql.fetchval(
        "SELECT tableoid::regclass::text FROM bus.outbox WHERE message_id = $1", message_id
    )
    return found


async def stand_still(sql: "Superuser[asyncpg.Record]") -> None:
    """As after weeks without upkeep: no table has a range for today."""
    ranges = await sql.fetch(
        """
        SELECT i.inhrelid::regclass::text AS name
          FROM bus.partitioned AS p JOIN pg_inherits AS i ON i.inhparent = p.parent
          JOIN pg_partitioned_table AS t ON t.partrelid = p.parent AND t.partdefid <> i.inhrelid
        """
    )
    for each in ranges:
        await sql.execute(f"DROP TABLE {each['name']}")


async def test_there_is_room_for_the_next_two_weeks(sql: "Superuser[asyncpg.Record]") -> None:
    """Once an hour is often enough, with a fortnight to notice that nobody does it."""
    assert await upkeep(sql, "13 days") == []  # the migrations did it, perhaps in the week before
    for days in (-7, 0, 7, 13):
        assert await where(sql, await say(sql, -days * DAY)) != "bus.outbox_default"


async def test_rows_that_came_before_their_range_move_into_it(sql: "Superuser[asyncpg.Record]") -> None:
    """PostgreSQL refuses a range while the default partition holds its rows: the upkeep would fail for good."""
    await stand_still(sql)
    ids = [await say(sql, age * DAY, is_published=False) for age in (0, 3, 30)]
    tenant_id = await sql.fetchval("SELECT gen_random_uuid()")
    await sql.execute("INSERT INTO bus.inbox (consumer, message_id) VALUES ('x', $1)", ids[0])
    await sql.execute(
        """
        INSERT INTO audit.entries (tenant_id, seq, entry_id, kind, at, payload_digest, previous_hash, hash)
        SELECT $1, n, bus.id_floor(now() - n * interval '20 days'), 'x', now(), z, z, z
          FROM generate_series(1, 5) AS n, decode(repeat('00', 32), 'hex') AS z
        """,
        tenant_id,
    )
    assert [await where(sql, each) for each in ids] == ["bus.outbox_default"] * 3

    done = await upkeep(sql)

    assert len(done) > 7
    assert await where(sql, ids[0]) not in (None, "bus.outbox_default")
    assert await where(sql, ids[1]) not in (None, "bus.outbox_default")
    assert await where(sql, ids[2]) == "bus.outbox_default"  # outlived, but nobody has published it
    assert await sql.fetchval("SELECT count(*) FROM bus.inbox_default") == 0
    assert await sql.fetchval("SELECT count(*) FROM audit.entries WHERE tenant_id = $1", tenant_id) == 5
    assert await sql.fetchval("SELECT count(*) FROM audit.entries_default") == 0
    assert await upkeep(sql) == []


async def test_a_range_that_was_made_late_is_like_the_others(sql: "Superuser[asyncpg.Record]") -> None:
    """Keys, indexes and checks are what makes a double entry impossible and a claim quick."""
    shape = """
        SELECT (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisvalid) AS indexes,
               (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid) AS constraints,
               c.reloptions, c.relowner::regrole::text AS owner, c.relacl::text AS rights
          FROM pg_class AS c WHERE c.oid = $1::text::regclass
    """
    parents = ["bus.outbox", "bus.inbox", "otp.challenges", "otp.codes", "notifier.deliveries", "audit.entries"]
    newest = """
        SELECT max(inhrelid::regclass::text) FROM pg_inherits
         WHERE inhparent = $1::text::regclass AND inhrelid::regclass::text ~ '_[0-9]{8}$'
    """

    async def shapes() -> list[tuple[object, ...]]:
        return [tuple(await sql.fetchrow(shape, await sql.fetchval(newest, parent)) or ()) for parent in parents]

    before = await shapes()
    await stand_still(sql)
    await say(sql, dt.timedelta())
    await upkeep(sql)
    assert await shapes() == before
    assert all(each[0] and each[3] == "deskfactor_owner" and each[4] is None for each in before)


async def test_tenants_stay_apart_in_a_range_that_was_made_late(
    sql: "Superuser[asyncpg.Record]", new_dsn: Callable[[], str]
) -> None:
    """Policies are the parent's; a partition that is attached must be under them like one that was born there."""
    dsn = new_dsn()
    owner = await asyncpg.connect(dsn)
    try:
        await stand_still(owner)
        tenants = [await new_tenant(dsn) for _ in range(2)]
        for tenant_id in tenants:
            await owner.execute(
                """
                INSERT INTO notifier.deliveries (tenant_id, delivery_id, account_id, channel, notification, destination,
                                                 masked, language, time_zone, params, actor, command_id, correlation_id)
                VALUES ($1, bus.id_floor(now()), 'ann', 'email', 'code', 'x', 'x', 'en', 'UTC', '{}', 'x', $1, $1)
                """,
                tenant_id,
            )
        await upkeep(owner)
    finally:
        await owner.close()
    async with Database(dsn, role="deskfactor_notifier", name="test") as database:
        async with database.transaction() as conn:
            assert await conn.fetchval("SELECT count(*) FROM notifier.deliveries") == 0
        async with database.transaction([tenants[0]]) as conn:
            rows = await conn.fetch("SELECT tenant_id, tableoid::regclass::text AS partition FROM notifier.deliveries")
            assert [row["tenant_id"] for row in rows] == [tenants[0]]
        async with database.connection() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"SELECT FROM {rows[0]['partition']}")


async def test_ranges_meet_whatever_the_time_zone(sql: "Superuser[asyncpg.Record]") -> None:
    """Where clocks are put forward, seven days may be an hour shorter: the next range would overlap, for good."""
    await sql.execute("SET timezone = 'Europe/Berlin'")
    assert await upkeep(sql, "200 days")
    await sql.execute("SET timezone = 'America/New_York'")
    assert await upkeep(sql, "300 days")
    await sql.execute("SET timezone = 'UTC'")
    assert await upkeep(sql, "400 days")
    for days in range(0, 400, 3):
        assert await where(sql, await say(sql, -days * DAY)) != "bus.outbox_default"


async def test_what_is_outlived_goes_and_what_was_not_published_stays(sql: "Superuser[asyncpg.Record]") -> None:
    """Disks are finite; and a message that nobody has sent is never old enough to be forgotten."""
    await sql.execute("SET ROLE deskfactor_owner; SET timezone = 'UTC'")
    for age in (28 * DAY, 35 * DAY):
        await sql.execute(
            """
            SELECT bus.make_range('bus.outbox', 'bus.outbox_default', 'message_id', 'bus',
                                  ('outbox_' || to_char(start, 'YYYYMMDD'))::name, bus.id_floor(start),
                                  bus.id_floor(start + interval '7 days'))
              FROM bus.range_start(interval '7 days', now() - $1::interval) AS start
            """,
            age,
        )
    await sql.execute("RESET ROLE")
    sent, unsent = await say(sql, 28 * DAY), await say(sql, 35 * DAY, is_published=False)
    stray, recent = await say(sql, 60 * DAY), await say(sql, dt.timedelta())
    assert await where(sql, stray) == "bus.outbox_default"

    done = await upkeep(sql, "13 days")

    assert [each.split("_")[0] for each in done] == ["dropped outbox", "deleted 1 from bus.outbox"]
    assert await where(sql, sent) is None
    assert await where(sql, stray) is None
    assert await where(sql, unsent) is not None
    assert await where(sql, recent) is not None


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_can_do_the_upkeep_and_nothing_else_of_the_kind(
    new_dsn: Callable[[], str], service: str
) -> None:
    """It runs as the owner, so that no service needs to be one."""
    async with Database(new_dsn(), role=f"deskfactor_{service}", name="test") as database:
        async with database.transaction() as conn:
            await maintain_partitions(conn)  # where a week has begun since the migrations
            assert await maintain_partitions(conn) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as conn:
                await conn.execute("CREATE TABLE bus.mine ()")


async def test_who_writes_while_the_range_of_today_is_made_waits_and_is_not_refused(new_dsn: Callable[[], str]) -> None:
    """A writer that was already sent to the default partition would be told that its row does not belong there."""
    dsn = new_dsn()
    upkeeper, writer, watcher = [await asyncpg.connect(dsn) for _ in range(3)]
    try:
        await stand_still(upkeeper)
        async with upkeeper.transaction():
            await upkeep(upkeeper)
            saying = asyncio.create_task(say(writer, dt.timedelta()))
            await eventually(lambda: waits(watcher, writer), bool)
        assert await where(watcher, await saying) != "bus.outbox_default"
    finally:
        for conn in (upkeeper, writer, watcher):
            await conn.close()


async def waits(watcher: "Superuser[asyncpg.Record]", other: "Superuser[asyncpg.Record]") -> bool:
    """Whether another connection waits for a lock."""
    found: bool = await watcher.fetchval(
        "SELECT wait_event_type IS NOT DISTINCT FROM 'Lock' FROM pg_stat_activity WHERE pid = $1",
        other.get_server_pid(),
    )
    return found


async def test_upkeep_by_many_at_once_is_done_once(new_dsn: Callable[[], str]) -> None:
    """Every replica's hour strikes; and messages go on being written meanwhile."""
    dsn = new_dsn()
    conns = [await asyncpg.connect(dsn) for _ in range(4)]
    try:
        await stand_still(conns[0])
        saying = asyncio.create_task(say(conns[3], dt.timedelta()))
        done = await asyncio.gather(*(upkeep(conn) for conn in conns[:3]))
        await saying
    finally:
        for conn in conns:
            await conn.close()
    assert sorted(len(each) > 0 for each in done) == [False, False, True]
