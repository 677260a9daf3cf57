"""Wrapped data keys, of tenants and of accounts."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from services.audit.domain.keys import ErasedAccount, WrappedKey
from shared.db.account_lock import Account
from shared.db.connection import Connection


async def load_tenant_keys(conn: Connection, tenants: Collection[UUID]) -> dict[UUID, str]:
    """The wrapped keys of those tenants that have one."""
    rows = await conn.fetch(
        "SELECT tenant_id, wrapped FROM audit.tenant_keys WHERE tenant_id = ANY ($1::uuid[])", list(tenants)
    )
    return {row["tenant_id"]: row["wrapped"] for row in rows}


async def insert_tenant_keys(conn: Connection, wrapped: Mapping[UUID, str]) -> None:
    """Store new keys; under the tenants' heads' locks, so nobody else makes them at the same moment."""
    await conn.execute(
        "INSERT INTO audit.tenant_keys (tenant_id, wrapped) SELECT * FROM unnest($1::uuid[], $2::text[])",
        list(wrapped),
        list(wrapped.values()),
    )


async def load_account_keys(conn: Connection, accounts: Collection[Account]) -> list[WrappedKey]:
    """The wrapped keys of those accounts that have one."""
    rows = await conn.fetch(
        """
        SELECT k.tenant_id, k.account_id, k.salt, k.pseudonym, k.wrapped
          FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)
          JOIN audit.account_keys AS k USING (tenant_id, account_id)
        """,
        [tenant_id for tenant_id, _ in accounts],
        [account_id for _, account_id in accounts],
    )
    return [WrappedKey(**dict(row)) for row in rows]


async def insert_account_keys(conn: Connection, keys: Sequence[WrappedKey]) -> None:
    """Store new keys; under the tenants' heads' locks, so nobody else makes them at the same moment."""
    await conn.execute(
        """
        INSERT INTO audit.account_keys (tenant_id, account_id, salt, pseudonym, wrapped)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[])
        """,
        [key.tenant_id for key in keys],
        [key.account_id for key in keys],
        [key.salt for key in keys],
        [key.pseudonym for key in keys],
        [key.wrapped for key in keys],
    )


async def load_erasures(conn: Connection, accounts: Collection[Account]) -> dict[Account, ErasedAccount]:
    """Those of these accounts that were erased."""
    rows = await conn.fetch(
        """
        SELECT e.tenant_id, e.account_id, e.erased_at, e.is_there
          FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)
          JOIN policy.erased_accounts AS e ON e.tenant_id = wanted.tenant_id AND e.account_id = wanted.account_id
        """,
        [tenant_id for tenant_id, _ in accounts],
        [account_id for _, account_id in accounts],
    )
    return {
        (row["tenant_id"], row["account_id"]): ErasedAccount(erased_at=row["erased_at"], is_there=row["is_there"])
        for row in rows
    }


async def erase_account(conn: Connection, tenant_id: UUID, account_id: str) -> int:
    """Drop the payloads and the key of an account up to its erasure; how many payloads. Under the head's lock."""
    dropped: int = await conn.fetchval("SELECT audit.erase_account($1, $2)", tenant_id, account_id)
    return dropped
