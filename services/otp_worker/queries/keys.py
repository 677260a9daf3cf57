"""Data keys, wrapped."""

from collections.abc import Mapping
from uuid import UUID

from shared.db.connection import Connection


async def keep_tenant_key(conn: Connection, tenant_id: UUID, wrapped: str) -> str:
    """Store a tenant's first data key; the one that counts when another process was faster."""
    kept: str = await conn.fetchval(
        """
        INSERT INTO otp.tenant_keys (tenant_id, wrapped) VALUES ($1, $2)
            ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id
        RETURNING wrapped
        """,
        tenant_id,
        wrapped,
    )
    return kept


async def insert_account_keys(conn: Connection, tenant_id: UUID, wrapped: Mapping[str, bytes]) -> None:
    """Store data keys by account; the caller holds the accounts' locks and has seen none."""
    await conn.execute(
        """
        INSERT INTO otp.account_keys (tenant_id, account_id, wrapped)
        SELECT $1, * FROM unnest($2::text[], $3::bytea[])
        """,
        tenant_id,
        list(wrapped),
        list(wrapped.values()),
    )


async def register_public_keys(conn: Connection, keys: dict[str, bytes]) -> None:
    """Publish the public halves of the keys that sign assertions; those of a ring made anew replace its old ones."""
    await conn.execute(
        """
        INSERT INTO otp.assertion_keys (key_id, public_key)
        SELECT * FROM unnest($1::text[], $2::bytea[])
            ON CONFLICT (key_id) DO UPDATE SET public_key = excluded.public_key
        """,
        list(keys),
        list(keys.values()),
    )
