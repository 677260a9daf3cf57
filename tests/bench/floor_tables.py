"""The floor's own tables, and the same people in them."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import asyncpg

from shared.crypto.keyring import load_ring
from shared.crypto.sealing import Place, encrypt
from shared.ids import new_id
from tests.bench.crowd import Crowd, Member

_SCHEMA = """
CREATE SCHEMA floor;
CREATE TABLE floor.policies (
  tenant_id uuid PRIMARY KEY, methods text[] NOT NULL, is_required boolean NOT NULL, grace_until timestamptz);
CREATE TABLE floor.accounts (
  tenant_id uuid, account_id text, is_active boolean NOT NULL, failures integer NOT NULL DEFAULT 0,
  throttled_until timestamptz, last_success_at timestamptz, PRIMARY KEY (tenant_id, account_id)) WITH (fillfactor = 80);
CREATE TABLE floor.factors (
  tenant_id uuid, factor_id uuid, account_id text NOT NULL, type text NOT NULL DEFAULT 'totp',
  name text NOT NULL DEFAULT 'App', seed bytea NOT NULL, last_step bigint,
  last_used_at timestamptz, PRIMARY KEY (tenant_id, factor_id)) WITH (fillfactor = 80);
CREATE INDEX ON floor.factors (tenant_id, account_id);
CREATE TABLE floor.challenges (
  tenant_id uuid, challenge_id uuid, account_id text NOT NULL, state text NOT NULL, context bytea NOT NULL DEFAULT '',
  attempts integer NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL,
  verified_at timestamptz, PRIMARY KEY (tenant_id, challenge_id)) WITH (fillfactor = 80);
CREATE INDEX ON floor.challenges (tenant_id, account_id) WHERE state = 'open';
CREATE TABLE floor.events (
  tenant_id uuid, event_id uuid, type text NOT NULL, account_id text NOT NULL, data jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, event_id));
CREATE TABLE floor.answers (
  tenant_id uuid, scope text, key text, fingerprint bytea NOT NULL, reply bytea NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, scope, key));
"""


async def enrol(dsn: str, key_dir: Path, crowd: Crowd) -> None:
    """The same people, in tables of the floor's own."""
    key = load_ring(key_dir, "rest").active
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(_SCHEMA)
        await conn.execute("INSERT INTO floor.policies VALUES ($1, '{totp,sms,email}', false, NULL)", crowd.tenant_id)
        await _copy(
            conn,
            "accounts",
            ("tenant_id", "account_id", "is_active"),
            [(crowd.tenant_id, each.account_id, True) for each in crowd.members],
        )
        await _copy(
            conn,
            "factors",
            ("tenant_id", "factor_id", "account_id", "seed"),
            [
                (
                    crowd.tenant_id,
                    each.factor_id,
                    each.account_id,
                    encrypt(key, each.seed, seed_place(crowd.tenant_id, each.account_id, each.factor_id)),
                )
                for each in crowd.members
            ],
        )
        await conn.execute("VACUUM ANALYZE", timeout=600)
    finally:
        await conn.close()


async def open_challenges(dsn: str, crowd: Crowd, members: Sequence[Member]) -> list[UUID]:
    """A challenge that waits for a code, for each of these."""
    ids = [new_id() for _ in members]
    conn = await asyncpg.connect(dsn)
    try:
        until = await conn.fetchval("SELECT now() + interval '10 minutes'")
        rows = [
            (crowd.tenant_id, each, member.account_id, "open", until) for each, member in zip(ids, members, strict=True)
        ]
        columns = ("tenant_id", "challenge_id", "account_id", "state", "expires_at")
        await _copy(conn, "challenges", columns, rows)
        await conn.execute("ANALYZE floor.challenges", timeout=600)
    finally:
        await conn.close()
    return ids


async def _copy(
    conn: "asyncpg.Connection[asyncpg.Record]", table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    await conn.copy_records_to_table(table, schema_name="floor", columns=list(columns), records=rows, timeout=600)


def seed_place(tenant_id: UUID, account_id: str, factor_id: UUID) -> Place:
    """Where a seed of the floor belongs."""
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="floor", record=str(factor_id), field="seed")
