"""What the notifier may know of a tenant."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from shared.db.connection import Connection


@dataclass(frozen=True, slots=True)
class Tenant:
    """Which world its messages go to, and its time."""

    is_sandbox: bool
    now: dt.datetime


async def find_tenant(conn: Connection, tenant_id: UUID) -> Tenant | None:
    """The tenant at this moment; None: there is none of that id."""
    row = await conn.fetchrow(
        "SELECT is_sandbox, now() + clock_offset AS now FROM gateway.tenants_at_work WHERE tenant_id = $1", tenant_id
    )
    return Tenant(row["is_sandbox"], row["now"]) if row else None


async def tenant_now(conn: Connection, tenant_id: UUID) -> dt.datetime:
    """Tenant time, for what is said of a delivery."""
    now: dt.datetime = await conn.fetchval("SELECT policy.tenant_now($1)", tenant_id)
    return now


async def tenants_now(conn: Connection, tenants: Collection[UUID]) -> dict[UUID, dt.datetime]:
    """Tenant time of each, for what is said of several deliveries."""
    rows = await conn.fetch(
        "SELECT tenant_id, policy.tenant_now(tenant_id) AS now FROM unnest($1::uuid[]) AS wanted (tenant_id)",
        list(tenants),
    )
    return {row["tenant_id"]: row["now"] for row in rows}
