"""What hot tables are set to, and that their rows change in place: no index entry, and little to clear away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from services.audit.domain.chain import Header, Tip, append
from services.audit.queries.entries import append_entries
from services.otp_worker.domain.account import AccountState
from services.otp_worker.domain.throttle import Throttle
from services.otp_worker.queries.accounts import save_accounts
from services.otp_worker.queries.challenges import load_open_challenges, save_sends
from services.otp_worker.queries.codes import spend_codes
from services.otp_worker.queries.factors import load_factors
from services.otp_worker.queries.trusted_devices import list_devices, touch_devices
from services.otp_worker.queries.verdicts import store_verdicts
from shared.clock import host_now
from shared.contracts.types import ChallengeId
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.ids import new_id
from tests.support.crowded import fill

ROWS = 2_000
EVERY = 100  # th row changes: a page has room for a few later versions, not for one of each row

HOT = (
    "otp.accounts",
    "otp.factors",
    "otp.trusted_devices",
    "policy.accounts",
    "policy.enforcements",
    "policy.timers",
    "audit.heads",
    "bus.answers",
    "bus.lane_messages",
    "bus.requests",
    "bus.replies",
    "notifier.webhook_endpoints",
    "gateway.prompt_sessions",
    "gateway.accepted_events",
)
NOW = host_now()

Change = Callable[[Connection, UUID], Awaitable[object]]


def _names() -> list[str]:
    """Accounts of the large tenant whose challenge is open, one in a few pages."""
    return [f"agent-{number:08}" for number in range(1, ROWS, EVERY)]


async def _save_accounts(conn: Connection, tenant_id: UUID) -> None:
    failed = AccountState(throttle=Throttle(failures_in_row=1))
    await save_accounts(conn, {(tenant_id, name): failed for name in _names()})


async def _judge(conn: Connection, tenant_id: UUID) -> None:
    found = await load_open_challenges(conn, [(tenant_id, name) for name in _names()])
    judged = [(tenant_id, replace(each, attempts=1), NOW) for several in found.values() for each in several]
    assert await store_verdicts(conn, judged, [], {}) == (len(judged), 0)


async def _send(conn: Connection, tenant_id: UUID) -> None:
    found = await load_open_challenges(conn, [(tenant_id, name) for name in _names()])
    await save_sends(conn, [(tenant_id, replace(each, sends=1)) for several in found.values() for each in several])


async def _spend(conn: Connection, tenant_id: UUID) -> None:
    found = await load_open_challenges(conn, [(tenant_id, name) for name in _names()])
    keys = [(tenant_id, ChallengeId(each.id)) for several in found.values() for each in several]
    await spend_codes(conn, keys, [NOW] * len(keys))


async def _use(conn: Connection, tenant_id: UUID) -> None:
    found = await load_factors(conn, [(tenant_id, name) for name in _names()])
    used = [(tenant_id, each.id, 1, NOW) for several in found.values() for each in several]
    assert await store_verdicts(conn, [], used, {}) == (0, len(used))


async def _touch(conn: Connection, tenant_id: UUID) -> None:
    devices = [each for name in _names() for each in await list_devices(conn, tenant_id, name)]
    await touch_devices(conn, [(tenant_id, each.id) for each in devices], [NOW] * len(devices))


async def _append(conn: Connection, tenant_id: UUID) -> None:
    header = Header(tenant_id=tenant_id, entry_id=new_id(), kind="x", at=NOW, pseudonym=None, payload_digest=bytes(32))
    [entry], _ = append(Tip(seq=1_000_000, hash=bytes(32)), [header])
    await append_entries(conn, [entry], [None])


CHANGES: dict[str, tuple[str, str, Change]] = {
    "throttles": ("otp_worker", "otp.accounts", _save_accounts),
    "failed attempts": ("otp_worker", "otp.challenges", _judge),
    "sends": ("otp_worker", "otp.challenges", _send),
    "used codes": ("otp_worker", "otp.codes", _spend),
    "steps": ("otp_worker", "otp.factors", _use),
    "trusted devices": ("otp_worker", "otp.trusted_devices", _touch),
    "heads": ("audit", "audit.heads", _append),
}


@pytest.fixture(scope="module")
async def tenant_id(dsn: str) -> UUID:
    """A tenant with rows of every kind."""
    conn = await asyncpg.connect(dsn)
    try:
        return await fill(conn, ROWS)
    finally:
        await conn.close()


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """As whoever may see everything."""
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


@pytest.mark.parametrize("what", CHANGES)
async def test_what_changes_at_every_login_changes_in_place(dsn: str, tenant_id: UUID, what: str) -> None:
    """Else each failed code would write an entry into every index of its table, and leave one to be cleared away."""
    service, table, change = CHANGES[what]
    async with (
        Database(dsn, role=f"deskfactor_{service}", name="test") as database,
        database.transaction([tenant_id]) as conn,
    ):
        await change(conn, tenant_id)
        found = await conn.fetchrow(
            """
            SELECT sum(n_tup_upd)::int AS changed, sum(n_tup_hot_upd)::int AS in_place FROM pg_stat_xact_all_tables
             WHERE relid = $1::text::regclass
                OR relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::text::regclass)
            """,
            table,
        )
    assert found is not None
    assert found["changed"] > 0
    assert found["in_place"] == found["changed"]


async def test_hot_tables_are_cleared_in_time(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A fifth of a large table, PostgreSQL's own measure, is hours of work, and a queue is read over and over."""
    for name in HOT:
        settings = await _settings(sql, name)
        assert settings.get("autovacuum_vacuum_scale_factor") == "0", name
        assert int(settings["autovacuum_vacuum_threshold"]) <= 2_000, name
        assert settings.get("autovacuum_vacuum_cost_delay") == "0", name


async def test_ranges_are_set_alike_also_one_that_is_made_later(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A table's settings are not its ranges': those made in a year from now would be cleared when it is too late."""
    await sql.execute("SELECT bus.maintain_partitions('60 days')")
    parents = await sql.fetch("SELECT parent::text AS name, fillfactor FROM bus.partitioned")
    assert parents
    for parent in parents:
        ranges = await sql.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass",
            parent["name"],
        )
        found = [await _settings(sql, each["name"]) for each in ranges]
        assert len(found) > 3
        assert all(each == found[0] for each in found)
        assert found[0]["autovacuum_vacuum_scale_factor"] == "0"
        assert found[0]["fillfactor"] == str(parent["fillfactor"])


async def _settings(sql: "asyncpg.Connection[asyncpg.Record]", name: str) -> dict[str, str]:
    options = await sql.fetchval("SELECT reloptions FROM pg_class WHERE oid = $1::text::regclass", name) or []
    return dict(option.split("=", 1) for option in options)
