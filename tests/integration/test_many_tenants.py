"""Requests of many tenants travel in one frame, and their tenants give their people the same ids: 1, 2, 3."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest

from services.audit.queries.keys import load_owners
from services.otp_worker.queries.accounts import load_accounts
from services.otp_worker.queries.factors import load_factors
from services.otp_worker.queries.people import load_people, load_visitors
from shared.db.pool import Database
from tests.support.hot_path import Asked
from tests.support.plans import Plan, nodes
from tests.support.touched import plans_of

MANY = 20  # tenants, and accounts of each
_WHO = "FROM unnest($1::uuid[]) AS t, generate_series(1, $2::integer) AS n"
_FILL = (
    f"INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) SELECT t, n::text, 'agent', now() {_WHO}",
    f"INSERT INTO otp.accounts (tenant_id, account_id) SELECT t, n::text {_WHO}",
    f"""
    INSERT INTO otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, challenge_id, created_at)
    SELECT t, gen_random_uuid(), n::text, 'totp', 'active', 'mine', 'x', gen_random_uuid(), now() {_WHO}
    """,
    f"""
    INSERT INTO audit.account_keys (tenant_id, account_id, salt, pseudonym, wrapped)
    SELECT t, n::text, sha256(n::text::bytea), sha256(n::text::bytea), 'x' {_WHO}
    """,
)


@pytest.fixture(scope="module")
async def tenants(new_dsn: Callable[[], str]) -> AsyncIterator[tuple["asyncpg.Connection[asyncpg.Record]", list[UUID]]]:
    """A connection as services have them, and the tenants."""
    dsn = new_dsn()
    filling, conn = await asyncpg.connect(dsn), await Database(dsn, role=None, name="test-tenants").dedicated()
    try:
        ids = [row[0] for row in await filling.fetch("SELECT gen_random_uuid() FROM generate_series(1, $1)", MANY)]
        for statement in _FILL:
            await filling.execute(statement, ids, MANY)
        await filling.execute("VACUUM ANALYZE")
        yield conn, ids
    finally:
        await conn.close()
        await filling.close()


@pytest.mark.parametrize("what", ["accounts", "people", "visitors", "factors", "whose entries"])
async def test_of_each_tenant_only_who_asked_is_read(
    tenants: tuple["asyncpg.Connection[asyncpg.Record]", list[UUID]], what: str
) -> None:
    """Looked for with every tenant of the frame, each id would be found as often as there are tenants: 32 requests read
    up to 1,024 accounts, and compared each with all 32.
    """
    conn, ids = tenants
    keys = [(tenant_id, str(number)) for number, tenant_id in enumerate(ids, start=1)]
    asked = {
        "accounts": Asked("otp_worker", lambda conn: load_accounts(conn, keys)),
        "people": Asked("otp_worker", lambda conn: load_people(conn, keys)),
        "visitors": Asked("otp_worker", lambda conn: load_visitors(conn, keys)),
        "factors": Asked("otp_worker", lambda conn: load_factors(conn, keys)),
        "whose entries": Asked("audit", lambda conn: load_owners(conn, set(keys))),
    }[what]
    async with conn.transaction():
        await conn.execute(f"SET LOCAL ROLE deskfactor_{asked.service}")
        await conn.execute(f"SET LOCAL deskfactor.tenants = '{{{','.join(map(str, ids))}}}'")
        [plan] = await plans_of(conn, asked.call, is_generic=True)
    read = [(node["Relation Name"], node["Actual Rows"] * node["Actual Loops"]) for node in nodes(plan) if _reads(node)]
    assert [(table, rows) for table, rows in read if rows > MANY] == []
    assert MANY in (rows for _, rows in read)


def _reads(node: Plan) -> bool:
    return "Relation Name" in node
