"""People who are enrolled already: as many accounts with an authenticator as a case needs, written in bulk."""

import base64
import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pyotp

from services.cli.tenants import create_api_key, create_tenant
from services.otp_worker.adapters.seeds import make_account_key, make_tenant_key, seal_seed, seed_place
from services.otp_worker.domain.totp import step_at
from shared.clock import host_now
from shared.contracts.types import FactorId
from shared.crypto.data_keys import RingMasterKey
from shared.crypto.keyring import load_ring
from shared.ids import new_id
from shared.secret import Secret

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody with an authenticator."""

    account_id: str
    factor_id: UUID
    seed: bytes = field(repr=False)

    def code(self, at: dt.datetime) -> str:
        """What the authenticator shows (RFC 6238)."""
        return pyotp.TOTP(base64.b32encode(self.seed).decode()).generate_otp(step_at(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """A live tenant, its key and its people."""

    tenant_id: UUID
    api_key: Secret[str]
    members: Sequence[Member]


async def gather(dsn: str, key_dir: Path, size: int, *, name: str = "Acme Helpdesk") -> Crowd:
    """A tenant with ``size`` agents, each with one active authenticator."""
    [crowd] = await gather_many(dsn, key_dir, 1, size, name=name)
    return crowd


async def gather_many(dsn: str, key_dir: Path, tenants: int, size: int, *, name: str = "Acme Helpdesk") -> list[Crowd]:
    """So many tenants, each with ``size`` agents."""
    master = RingMasterKey(load_ring(key_dir, "rest"))
    conn = await asyncpg.connect(dsn)
    try:
        crowds = []
        for _ in range(tenants):
            tenant_id = await create_tenant(dsn, name=name, is_sandbox=False)
            api_key = await create_api_key(dsn, tenant_id, name="bench")
            members = await _enrol(conn, master, tenant_id, size)
            crowds.append(Crowd(tenant_id=tenant_id, api_key=api_key, members=members))
        await conn.execute("VACUUM ANALYZE", timeout=600)
    finally:
        await conn.close()
    return crowds


async def _enrol(conn: _Connection, master: RingMasterKey, tenant_id: UUID, size: int) -> list[Member]:
    tenant_key = make_tenant_key(master, tenant_id)
    at = host_now() - dt.timedelta(days=30)
    members, keys, factors = [], [], []
    for number in range(size):
        member = Member(account_id=f"agent-{number:08}", factor_id=new_id(), seed=secrets.token_bytes(20))
        account_key = make_account_key(master, tenant_key, tenant_id, member.account_id)
        place = seed_place(tenant_id, member.account_id, FactorId(member.factor_id))
        sealed = seal_seed(master, Secret(member.seed), tenant_key=tenant_key, account_key=account_key, place=place)
        members.append(member)
        keys.append((tenant_id, member.account_id, account_key))
        factors.append(
            (tenant_id, member.factor_id, member.account_id, "totp", "active", "App", sealed, new_id(), at, at)
        )
    await conn.execute("INSERT INTO otp.tenant_keys (tenant_id, wrapped) VALUES ($1, $2)", tenant_id, tenant_key)
    await _copy(conn, "otp.account_keys", ("tenant_id", "account_id", "wrapped"), keys)
    columns = "tenant_id factor_id account_id type state name seed challenge_id created_at confirmed_at"
    await _copy(conn, "otp.factors", columns.split(), factors)
    accounts = [(tenant_id, each.account_id, "agent", at) for each in members]
    await _copy(conn, "policy.accounts", ("tenant_id", "account_id", "role", "created_at"), accounts)
    successes = [(tenant_id, each.account_id, at, at) for each in members]
    await _copy(conn, "otp.accounts", ("tenant_id", "account_id", "first_enrolled_at", "last_success_at"), successes)
    return members


async def fill_up(dsn: str, crowd: Crowd, size: int) -> None:
    """Other accounts of the tenant, as many as make ``size`` with its people: enrolled by the look of their rows, but
    nobody has their authenticators.
    """
    missing = size - len(crowd.members)
    conn = await asyncpg.connect(dsn)
    try:
        async with conn.transaction():
            for statement in _FILL:
                await conn.execute(statement, crowd.tenant_id, missing, crowd.members[0].account_id, timeout=900)
        await conn.execute("VACUUM ANALYZE", timeout=900)
    finally:
        await conn.close()


async def open_challenges(dsn: str, crowd: Crowd, members: Sequence[Member]) -> list[UUID]:
    """A challenge that waits for a code, for each of these; as a login leaves it."""
    return await open_challenges_of(dsn, [(crowd.tenant_id, member) for member in members])


async def open_challenges_of(dsn: str, members: Sequence[tuple[UUID, Member]]) -> list[UUID]:
    """The same for members of several tenants."""
    ids = [new_id() for _ in members]
    conn = await asyncpg.connect(dsn)
    try:
        now = await conn.fetchval("SELECT now()")
        until = now + dt.timedelta(minutes=10)
        rows = [
            (tenant_id, challenge_id, member.account_id, "sign_in", "open", "bench", 0, now, until)
            for challenge_id, (tenant_id, member) in zip(ids, members, strict=True)
        ]
        columns = (
            "tenant_id",
            "challenge_id",
            "account_id",
            "purpose",
            "state",
            "context",
            "factor_epoch",
            "created_at",
            "expires_at",
        )
        await _copy(conn, "otp.challenges", columns, rows)
        await conn.execute("ANALYZE otp.challenges", timeout=600)
    finally:
        await conn.close()
    return ids


async def forget_codes(dsn: str, members: Sequence[tuple[UUID, Member]]) -> None:
    """As if their last codes were of long ago: else everybody would wait for the next step (RFC 6238, 5.2)."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            """
            UPDATE otp.factors AS f SET last_step = NULL
              FROM unnest($1::uuid[], $2::uuid[]) AS those (tenant_id, factor_id)
             WHERE f.tenant_id = those.tenant_id AND f.factor_id = those.factor_id
            """,
            [tenant_id for tenant_id, _ in members],
            [member.factor_id for _, member in members],
            timeout=600,
        )
    finally:
        await conn.close()


async def _copy(conn: _Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    schema, _, name = table.partition(".")
    await conn.copy_records_to_table(name, schema_name=schema, columns=list(columns), records=rows, timeout=600)


_FILL = (
    """
    INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
    SELECT $1, 'other-' || lpad(n::text, 8, '0'), a.role, a.created_at
      FROM policy.accounts AS a, generate_series(1, $2::integer) AS n
     WHERE a.tenant_id = $1 AND a.account_id = $3
    """,
    """
    INSERT INTO otp.accounts (tenant_id, account_id, first_enrolled_at, last_success_at)
    SELECT $1, 'other-' || lpad(n::text, 8, '0'), a.first_enrolled_at, a.last_success_at
      FROM otp.accounts AS a, generate_series(1, $2::integer) AS n
     WHERE a.tenant_id = $1 AND a.account_id = $3
    """,
    """
    INSERT INTO otp.account_keys (tenant_id, account_id, wrapped)
    SELECT $1, 'other-' || lpad(n::text, 8, '0'), a.wrapped
      FROM otp.account_keys AS a, generate_series(1, $2::integer) AS n
     WHERE a.tenant_id = $1 AND a.account_id = $3
    """,
    """
    INSERT INTO otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, challenge_id, created_at,
                             confirmed_at)
    SELECT $1, gen_random_uuid(), 'other-' || lpad(n::text, 8, '0'), f.type, f.state, f.name, f.seed,
           gen_random_uuid(), f.created_at, f.confirmed_at
      FROM otp.factors AS f, generate_series(1, $2::integer) AS n
     WHERE f.tenant_id = $1 AND f.account_id = $3
    """,
)
