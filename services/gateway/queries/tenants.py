"""Tenants and their settings."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A tenant; `settings` as stored, what is missing has its default."""

    tenant_id: UUID
    name: str
    is_sandbox: bool
    settings: dict[str, object]
    created_at: dt.datetime


async def load_tenant(conn: Connection, tenant_id: UUID) -> TenantRow:
    """The tenant of a key; it cannot be missing."""
    row = await conn.fetchrow(
        "SELECT tenant_id, name, is_sandbox, settings, created_at FROM gateway.tenants WHERE tenant_id = $1", tenant_id
    )
    return _row(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantState:
    """Of a tenant that may not be there."""

    is_sandbox: bool
    is_suspended: bool
    countries: tuple[str, ...] = ()  # where SMS may go; empty: everywhere


async def find_tenant(conn: Connection, tenant_id: UUID) -> TenantState | None:
    """Whether there is such a tenant, and how it stands."""
    row = await conn.fetchrow(
        """
        SELECT is_sandbox, suspended_at IS NOT NULL AS is_suspended, settings -> 'countries' AS countries
          FROM gateway.tenants WHERE tenant_id = $1
        """,
        tenant_id,
    )
    return TenantState(**dict(row) | {"countries": tuple(row["countries"] or ())}) if row else None


async def lock_tenant(conn: Connection, tenant_id: UUID) -> TenantRow:
    """The tenant, locked until the transaction ends, so that two changes follow one another."""
    row = await conn.fetchrow(
        """
        SELECT tenant_id, name, is_sandbox, settings, created_at
          FROM gateway.tenants WHERE tenant_id = $1 FOR NO KEY UPDATE
        """,
        tenant_id,
    )
    return _row(row)


async def update_tenant(conn: Connection, tenant_id: UUID, name: str, settings: dict[str, object]) -> None:
    """Replace name and settings."""
    await conn.execute(
        "UPDATE gateway.tenants SET name = $2, settings = $3 WHERE tenant_id = $1", tenant_id, name, settings
    )


def _row(row: object) -> TenantRow:
    return TenantRow(**dict(row))  # type: ignore[call-overload]
