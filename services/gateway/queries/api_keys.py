"""API keys and, for each lookup, their tenant."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.db.connection import Connection, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """What a request may do."""

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    expires_at: dt.datetime | None
    is_sandbox: bool
    is_suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as its tenant sees it."""

    key_id: UUID
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None


async def find_keys(conn: Connection, digests: Sequence[bytes]) -> Mapping[bytes, FoundKey]:
    """The live keys of these digests, whatever their tenants: the transaction works on the queue of all."""
    rows = await conn.fetch(
        """
        SELECT wanted.digest, k.tenant_id, k.key_id, k.scopes, k.expires_at, t.is_sandbox,
               t.suspended_at IS NOT NULL AS is_suspended
          FROM unnest($1::bytea[]) AS wanted (digest)
         CROSS JOIN LATERAL (
               SELECT tenant_id, key_id, scopes, expires_at FROM gateway.api_keys AS own
                WHERE own.digest = wanted.digest AND own.revoked_at IS NULL OFFSET 0
               ) AS k
         CROSS JOIN LATERAL (
               SELECT is_sandbox, suspended_at FROM gateway.tenants AS own WHERE own.tenant_id = k.tenant_id OFFSET 0
               ) AS t
        """,
        digests,
    )
    return {row["digest"]: _found(row) for row in rows}


def _found(row: Record) -> FoundKey:
    return FoundKey(
        tenant_id=row["tenant_id"],
        key_id=row["key_id"],
        scopes=frozenset(row["scopes"]),
        expires_at=row["expires_at"],
        is_sandbox=row["is_sandbox"],
        is_suspended=row["is_suspended"],
    )


async def list_keys(conn: Connection, tenant_id: UUID) -> list[KeyRow]:
    """A tenant's keys that are not revoked, oldest first."""
    rows = await conn.fetch(
        """
        SELECT key_id, name, hint, scopes, created_at, expires_at
          FROM gateway.api_keys
         WHERE tenant_id = $1 AND revoked_at IS NULL
         ORDER BY key_id
        """,
        tenant_id,
    )
    return [KeyRow(**dict(row) | {"scopes": tuple(row["scopes"])}) for row in rows]


async def insert_key(
    conn: Connection,
    *,
    tenant_id: UUID,
    key_id: UUID,
    digest: bytes,
    name: str,
    hint: str,
    scopes: Sequence[str],
    expires_at: dt.datetime | None,
) -> dt.datetime:
    """Store a key; returns when."""
    created_at: dt.datetime = await conn.fetchval(
        """
        INSERT INTO gateway.api_keys (tenant_id, key_id, digest, name, hint, scopes, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING created_at
        """,
        tenant_id,
        key_id,
        digest,
        name,
        hint,
        list(scopes),
        expires_at,
    )
    return created_at


async def revoke_key(conn: Connection, tenant_id: UUID, key_id: UUID) -> bool:
    """Whether there was such a key, not revoked before."""
    status = await conn.execute(
        """
        UPDATE gateway.api_keys SET revoked_at = now()
         WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL
        """,
        tenant_id,
        key_id,
    )
    return status.endswith(" 1")
