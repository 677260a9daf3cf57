"""What the notifier may know of a tenant."""

import datetime as dt
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
