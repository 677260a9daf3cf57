"""Tenant time: the database's, and how far a sandbox's clock was moved ahead of it. For every service."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from shared.db.connection import Connection


async def tenant_now(conn: Connection, tenant_id: UUID) -> dt.datetime:
    """The transaction's instant, as the tenant has it."""
    now: dt.datetime = await conn.fetchval("SELECT policy.tenant_now($1)", tenant_id)
    return now


async def tenants_now(conn: Connection, tenants: Collection[UUID]) -> dict[UUID, dt.datetime]:
    """The same, of several tenants."""
    rows = await conn.fetch(
        "SELECT tenant_id, policy.tenant_now(tenant_id) AS now FROM unnest($1::uuid[]) AS wanted (tenant_id)",
        list(tenants),
    )
    return {row["tenant_id"]: row["now"] for row in rows}
