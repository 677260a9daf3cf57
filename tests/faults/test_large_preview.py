"""The preview of a policy over 100,000 accounts: measured, while others are served."""

import asyncio
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from services.cli.embedded.postgres import Postgres
from shared.clock import monotonic
from shared.db.migrate import migrate
from tests.support.api_client import Client, store_key
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.support.tenants import new_tenant

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

ACCOUNTS = 100_000
WITHIN = 5.0  # seconds, for the whole answer
TRIES = 3  # the best counts: what else the machine does is not the question
POLICY = {"required": {"scope": "all"}, "grace_days": 7}

# Every third has a factor, every hundredth is exempt, each came at another time: what cannot be worked out for all.
_ROWS = (
    """
    INSERT INTO policy.accounts (tenant_id, account_id, role, created_at, email_sealed, email_masked, email_digest,
                                 email_verified)
    SELECT $1, 'agent-' || lpad(n::text, 8, '0'), CASE WHEN n % 100 = 0 THEN 'admin' ELSE 'agent' END,
           now() - n * interval '1 minute', 'v1.k1.x', 'x', 'x', n % 7 <> 0
      FROM generate_series(1, $2) AS n
    """,
    """
    INSERT INTO policy.enforcements (tenant_id, account_id, exempt_until)
    SELECT $1, 'agent-' || lpad(n::text, 8, '0'), now() + n * interval '5 minutes' FROM generate_series(1, $2, 100) AS n
    """,
    """
    INSERT INTO otp.accounts (tenant_id, account_id, first_enrolled_at)
    SELECT $1, 'agent-' || lpad(n::text, 8, '0'), now() FROM generate_series(3, $2, 3) AS n
    """,
    """
    INSERT INTO otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, challenge_id, created_at,
                             confirmed_at)
    SELECT $1, gen_random_uuid(), 'agent-' || lpad(n::text, 8, '0'), 'totp', 'active', 'mine', '\\x00'::bytea,
           gen_random_uuid(), now(), now()
      FROM generate_series(3, $2, 3) AS n
    """,
)


async def _fill(dsn: str, tenant_id: UUID) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for statement in _ROWS:
            await conn.execute(statement, tenant_id, ACCOUNTS, timeout=120)
        await conn.execute("VACUUM ANALYZE", timeout=120)
    finally:
        await conn.close()


async def _slowest_read(client: Client, until: "asyncio.Task[object]") -> float:
    """How long the same service made somebody else wait meanwhile, in seconds."""
    slowest = 0.0
    while not until.done():
        started = monotonic()
        assert (await client.call("GET", "/v1/accounts/agent-00000001")).status == 200
        slowest = max(slowest, monotonic() - started)
    return slowest


async def _preview(client: Client) -> float:
    """How long it took, in seconds, and how long others had to wait meanwhile."""
    started = monotonic()
    asking = asyncio.create_task(client.call("POST", "/v1/policy/preview", {"policy": POLICY}))
    slowest = await _slowest_read(client, asking)
    answer = await asking
    seconds = monotonic() - started
    assert answer.status == 200, answer.text
    totals = answer.json["totals"]
    assert (totals["accounts"], totals["satisfied"]) == (ACCOUNTS, ACCOUNTS // 3 - 333)
    assert totals["grace"] + totals["exempt"] + totals["satisfied"] == ACCOUNTS
    print(f"\nothers waited {slowest:.2f} s at most")
    return seconds


async def test_a_hundred_thousand_accounts_are_previewed_in_five_seconds(
    own_postgres: Postgres, key_dir: Path, tmp_path: Path
) -> None:
    """An admin waits for it at a page; whoever logs in meanwhile does not wait for the admin."""
    own_postgres.create_database("deskfactor")
    dsn = own_postgres.dsn("deskfactor")
    await migrate(dsn)
    tenant_id = await new_tenant(dsn)
    await _fill(dsn, tenant_id)
    key = await store_key(dsn, tenant_id)
    async with Stack(dsn=dsn, key_dir=key_dir, folder=tmp_path) as stack, aiohttp.ClientSession() as session:
        client = Client(session=session, url=stack.url, tenant_id=tenant_id, key=key)
        await eventually(lambda: client.call("GET", "/v1/policy"), lambda answer: answer.status == 200)
        took = [await _preview(client) for _ in range(TRIES)]
        print(f"\n{ACCOUNTS:,} accounts previewed in {', '.join(f'{each:.2f} s' for each in took)}")
        assert min(took) < WITHIN
