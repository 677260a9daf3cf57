"""Tenant time."""

import datetime as dt
from uuid import UUID

from shared.db.connection import Connection


async def read_clock(conn: Connection, tenant_id: UUID) -> dt.datetime:
    """Tenant time, for what a tenant reads."""
    now: dt.datetime = await conn.fetchval("SELECT policy.tenant_now($1)", tenant_id)
    return now
