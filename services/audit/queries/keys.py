"""Wrapped data keys, of tenants and of accounts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.audit.domain.keys import ErasedAccount, Owner, WrappedKey
from shared.db.connection import Connection, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What there is of an owner. No `account_key`: the owner is a tenant, or an account without an entry until now."""

    tenant_key: str | None  # wrapped
    account_key: WrappedKey | None
    erased: ErasedAccount | None


async def load_owners(conn: Connection, owners: Collection[Owner]) -> dict[Owner, Stored]:
    """All that is known of these owners; each found by its key (``OFFSET 0``).

    Joined to a table that was empty when the plan was made, the planner would read all keys of a tenant for each.
    """
    rows = await conn.fetch(
        """
        SELECT wanted.tenant_id, wanted.account_id, t.wrapped AS tenant_key, k.salt, k.pseudonym, k.wrapped,
               e.erased_at, e.is_there
          FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)
          LEFT JOIN LATERAL (
               SELECT own.wrapped FROM audit.tenant_keys AS own
                WHERE own.tenant_id = wanted.tenant_id OFFSET 0) AS t ON true
          LEFT JOIN LATERAL (
               SELECT own.salt, own.pseudonym, own.wrapped FROM audit.account_keys AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id OFFSET 0) AS k ON true
          LEFT JOIN LATERAL (
               SELECT own.erased_at, own.is_there FROM policy.erased_accounts AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id OFFSET 0) AS e ON true
        """,
        [tenant_id for tenant_id, _ in owners],
        [account_id for _, account_id in owners],
    )
    return {(row["tenant_id"], row["account_id"]): _stored(row) for row in rows}


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


async def erase_account(conn: Connection, tenant_id: UUID, account_id: str) -> int:
    """Drop the payloads and the key of an account up to its erasure; how many payloads. Under the head's lock."""
    dropped: int = await conn.fetchval("SELECT audit.erase_account($1, $2)", tenant_id, account_id)
    return dropped


def _stored(row: Record) -> Stored:
    account_key, erased = None, None
    if row["wrapped"] is not None:
        account_key = WrappedKey(
            tenant_id=row["tenant_id"],
            account_id=row["account_id"],
            salt=row["salt"],
            pseudonym=row["pseudonym"],
            wrapped=row["wrapped"],
        )
    if row["erased_at"] is not None:
        erased = ErasedAccount(erased_at=row["erased_at"], is_there=row["is_there"])
    return Stored(tenant_key=row["tenant_key"], account_key=account_key, erased=erased)
