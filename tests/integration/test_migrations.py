"""Migrations on a real server: many at once, by an ordinary user; and what the schema allows to whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.cli.embedded.postgres import Postgres
from shared.db import migrate as runner
from shared.db.migrate import Migration, MigrationError, migrate, migrations, pending
from shared.db.pool import Database
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

ALL = [each.name for each in migrations()]
OWN_SCHEMA = {"gateway": "gateway", "otp_worker": "otp", "policy": "policy", "notifier": "notifier", "audit": "audit"}
SERVICES = (*OWN_SCHEMA, "operator")

Superuser = asyncpg.Connection


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """A database in which nothing was done yet."""
    postgres.create_database("empty")
    yield postgres.dsn("empty")
    postgres.drop_database("empty")


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["Superuser[asyncpg.Record]"]:
    """Whoever may do everything."""
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


async def test_three_at_once_apply_each_file_once(empty: str) -> None:
    """Replicas start together; the second must wait for the first, and find nothing left to do."""
    done = await asyncio.gather(*(migrate(empty) for _ in range(3)))
    assert sorted(done, key=len) == [[], [], ALL]
    assert await pending(empty) == []


async def test_an_ordinary_user_migrates_three_databases_at_once(tmp_path: Path) -> None:
    """A managed server gives nobody its superuser; and its roles are shared by all of its databases."""
    with Postgres(tmp_path / "postgres") as server:
        boss = await asyncpg.connect(server.dsn())
        await boss.execute("CREATE ROLE ops LOGIN CREATEROLE")
        for name in "abc":
            await boss.execute(f"CREATE DATABASE {name} OWNER ops")
        await boss.close()
        assert await asyncio.gather(*(migrate(server.dsn(name, user="ops")) for name in "abc")) == [ALL] * 3
        async with (
            Database(server.dsn("a", user="ops"), role="deskfactor_policy", name="test") as database,
            database.connection() as conn,
        ):
            assert await conn.fetchval("SELECT current_user") == "deskfactor_policy"


async def test_a_file_that_was_edited_or_is_unknown_is_refused(empty: str) -> None:
    """Two databases with the same migrations must be the same; and an old version must not work on a newer schema."""
    await migrate(empty)
    conn = await asyncpg.connect(empty)
    await conn.execute("UPDATE public.deskfactor_migrations SET checksum = 'other' WHERE name = '0002_bus'")
    with pytest.raises(MigrationError, match="0002_bus: edited"):
        await migrate(empty)
    await conn.execute("UPDATE public.deskfactor_migrations SET name = '9999_later' WHERE name = '0002_bus'")
    with pytest.raises(MigrationError, match="9999_later: applied by a newer version"):
        await migrate(empty)
    await conn.close()


async def test_a_migration_that_fails_leaves_nothing_and_can_be_run_again(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-applied file would have to be finished by hand, at night."""
    bad = Migration("9998_bad", "CREATE TABLE public.half ();\nSELECT 1 / 0")
    monkeypatch.setattr(runner, "migrations", lambda: [*migrations(), bad])
    with pytest.raises(MigrationError, match="9998_bad: division by zero"):
        await migrate(empty)
    good = Migration("9998_bad", "CREATE TABLE public.half ();")
    monkeypatch.setattr(runner, "migrations", lambda: [*migrations(), good])
    assert await migrate(empty) == ["9998_bad"]


_IS_WAITED_FOR = """
    SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                    WHERE d.datname = current_database() AND l.relation = 'gateway.tenants'::regclass AND NOT l.granted)
"""


async def test_who_reads_is_not_held_up_by_a_migration_that_waits_for_a_long_transaction(
    new_dsn: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody who comes to a table waits behind who waits for it: a dump would stop all logins until its end."""
    dsn = new_dsn()
    wide = Migration("9998_wide", "SET ROLE deskfactor_owner; ALTER TABLE gateway.tenants ADD COLUMN later text")
    monkeypatch.setattr(runner, "migrations", lambda: [*migrations(), wide])
    monkeypatch.setattr(runner, "_PAUSE", 0.05)
    dump, reader = await asyncpg.connect(dsn), await asyncpg.connect(dsn)

    async def is_waiting() -> bool:
        return bool(await reader.fetchval(_IS_WAITED_FOR))

    try:
        async with dump.transaction(isolation="repeatable_read"):
            await dump.fetchval("SELECT count(*) FROM gateway.tenants")
            migrating = asyncio.create_task(migrate(dsn))
            await eventually(is_waiting, bool)
            assert await reader.fetchval("SELECT count(*) FROM gateway.tenants") == 0
            assert not migrating.done()
        assert await migrating == ["9998_wide"]
    finally:
        await dump.close()
        await reader.close()


async def test_a_migration_that_never_gets_its_table_leaves_nothing_and_says_what_to_look_for(
    new_dsn: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not wait for ever for a session that somebody forgot; and what holds it up is no fault of the file."""
    dsn = new_dsn()
    half = "CREATE TABLE public.half (); ALTER TABLE gateway.tenants ADD COLUMN later text"
    monkeypatch.setattr(runner, "migrations", lambda: [*migrations(), Migration("9998_half", half)])
    forgotten = await asyncpg.connect(dsn)
    try:
        async with forgotten.transaction():
            await forgotten.fetchval("SELECT tenant_id FROM gateway.tenants FOR UPDATE")
            with pytest.raises(MigrationError, match=r"9998_half: .* stays open .* pg_stat_activity"):
                await migrate(dsn, patience=0)
        assert await migrate(dsn) == ["9998_half"]
    finally:
        await forgotten.close()


# --- who may do what --------------------------------------------------------------------------------------------------

_RIGHTS = """
    SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind, c.relispartition AS is_partition,
           has_table_privilege($1, c.oid, 'SELECT') AS reads,
           has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE') AS writes,
           has_table_privilege($1, c.oid, 'TRUNCATE, TRIGGER, REFERENCES') AS owns
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('bus', 'gateway', 'otp', 'policy', 'notifier', 'audit') AND c.relkind IN ('r', 'p', 'v')
"""
_OF_THE_OPERATOR = {
    "gateway.tenants",
    "gateway.api_keys",
    "policy.clocks",
    "otp.permits",
}  # beside the messages of the bus
_PUBLISHED = {
    "gateway.tenant_profiles",
    "gateway.tenants_at_work",
    "otp.account_facts",
    "otp.assertion_keys",
    "otp.factor_contacts",
    "otp.factor_usage",
    "otp.step_ups",
    "policy.clocks",
    "policy.erased_accounts",
    "policy.login_facts",
    "policy.open_recoveries",
}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_writes_its_own_tables_and_reads_what_others_publish(
    service: str, sql: "Superuser[asyncpg.Record]"
) -> None:
    """Whoever takes over one service has that one's rows, and no seed, no code and no audit entry of another."""
    rights = await sql.fetch(_RIGHTS, f"deskfactor_{service}")
    foreign = [row for row in rights if row["name"].split(".")[0] not in ("bus", OWN_SCHEMA.get(service))]
    assert {row["name"] for row in foreign if row["writes"]} == (_OF_THE_OPERATOR if service == "operator" else set())
    readable = {row["name"] for row in foreign if row["reads"]}
    of_operator = _OF_THE_OPERATOR | {name for name in readable if name.startswith("audit.")}
    assert readable <= _PUBLISHED | (of_operator if service == "operator" else set())
    assert [row["name"] for row in rights if row["owns"]] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_reaches_a_partition_past_its_parent(service: str, sql: "Superuser[asyncpg.Record]") -> None:
    """Row-level security is the parent's: asked by name, a partition would show every tenant."""
    rights = await sql.fetch(_RIGHTS, f"deskfactor_{service}")
    assert [row["name"] for row in rights if row["is_partition"] and (row["reads"] or row["writes"])] == []


async def test_the_audit_log_is_only_added_to(sql: "Superuser[asyncpg.Record]") -> None:
    """Not even its own service can change an entry or take one away."""
    changes = "SELECT has_table_privilege('deskfactor_audit', $1, 'UPDATE, DELETE, TRUNCATE')"
    assert [await sql.fetchval(changes, table) for table in ("audit.entries", "audit.payloads")] == [False, False]


async def test_no_role_is_above_row_level_security(sql: "Superuser[asyncpg.Record]") -> None:
    """One attribute of a role would switch off what keeps tenants apart, for every table."""
    above = await sql.fetch(
        """
        SELECT rolname FROM pg_roles
         WHERE rolname LIKE 'deskfactor%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
            OR rolname = 'deskfactor_owner' AND rolcanlogin
        """
    )
    assert above == []


async def test_row_level_security_is_forced_on_every_table_of_tenants(sql: "Superuser[asyncpg.Record]") -> None:
    """Not forced, it does not hold for the owner, and so for no view."""
    unguarded = await sql.fetch(
        """
        SELECT c.oid::regclass::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('bus', 'gateway', 'otp', 'policy', 'notifier', 'audit')
           AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
           AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id')
         ORDER BY 1
        """
    )
    assert [row["name"] for row in unguarded] == ["bus.dead_letters", "bus.outbox"]


@pytest.fixture
async def two_tenants(dsn: str, sql: "Superuser[asyncpg.Record]") -> list[str]:
    """Each with an account, a clock and an answer."""
    tenants = [await new_tenant(dsn) for _ in range(2)]
    for tenant_id in tenants:
        await sql.execute(
            "INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, 'ann', 'agent', now())",
            tenant_id,
        )
        await sql.execute(
            """
            INSERT INTO bus.answers (tenant_id, scope, key, fingerprint, reply, holds_secret)
            VALUES ($1, 's', 'k', '', 'x', false)
            """,
            tenant_id,
        )
    return [str(tenant_id) for tenant_id in tenants]


_SEEN_BY = [
    ("policy", "policy.accounts", False),
    ("policy", "policy.clocks", True),
    ("policy", "policy.login_facts", False),
    ("otp_worker", "policy.login_facts", False),
    ("otp_worker", "policy.clocks", True),
    ("otp_worker", "bus.answers", True),
    ("gateway", "gateway.tenants", True),
    ("notifier", "gateway.tenant_profiles", True),
    ("notifier", "gateway.tenants_at_work", True),
]


@pytest.mark.parametrize(("service", "relation", "is_work_queue"), _SEEN_BY)
async def test_a_transaction_sees_the_tenants_that_it_names(
    dsn: str, two_tenants: list[str], *, service: str, relation: str, is_work_queue: bool
) -> None:
    """A forgotten WHERE shows nothing rather than everything, through views as well."""
    count = f"SELECT array_agg(DISTINCT tenant_id::text) FROM {relation}"  # noqa: S608 - of the table above
    first = two_tenants[0]
    async with Database(dsn, role=f"deskfactor_{service}", name="test") as database:
        async with database.connection() as conn:
            assert await conn.fetchval(count) is None
        async with database.transaction([UUID(first)]) as conn:
            assert await conn.fetchval(count) == [first]
        async with database.transaction(work_queues=True) as conn:
            seen = set(await conn.fetchval(count) or [])
    assert (set(two_tenants) <= seen) if is_work_queue else not seen


async def test_a_row_of_a_tenant_that_was_not_named_cannot_be_written(dsn: str, two_tenants: list[str]) -> None:
    """A tenant's id taken from a message that was mixed up must not become a row."""
    named, other = map(UUID, two_tenants)
    insert = "INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, 'bob', 'agent', now())"
    async with Database(dsn, role="deskfactor_policy", name="test") as database:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction([named]) as conn:
                await conn.execute(insert, other)
        async with database.transaction([named]) as conn:
            changed = await conn.execute("UPDATE policy.accounts SET role = 'admin' WHERE tenant_id = $1", other)
    assert changed == "UPDATE 0"
