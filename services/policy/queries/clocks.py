"""The clocks of tenants, and how a sandbox's is moved."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from shared.db.connection import Connection


@dataclass(frozen=True, slots=True)
class TenantClock:
    """Now, in tenant time, and how far that is before system time."""

    now: dt.datetime
    offset: dt.timedelta


async def hold_clock(conn: Connection, tenant_id: UUID) -> dt.datetime:
    """Tenant time; a sandbox's clock stays where it is until the transaction ends.

    Else a timer armed while the clock moves would miss the move. A live tenant's clock never moves: nothing is locked.
    """
    now: dt.datetime = await conn.fetchval(
        """
        SELECT now() + coalesce(
                 (SELECT clock_offset FROM policy.clocks WHERE tenant_id = $1 AND is_sandbox FOR SHARE), interval '0')
        """,
        tenant_id,
    )
    return now


async def lock_clock(conn: Connection, tenant_id: UUID) -> dt.timedelta | None:
    """How far a sandbox's clock is ahead, until the commit; None: the tenant is no sandbox."""
    offset: dt.timedelta | None = await conn.fetchval(
        "SELECT clock_offset FROM policy.clocks WHERE tenant_id = $1 AND is_sandbox FOR NO KEY UPDATE", tenant_id
    )
    return offset


async def advance_clock(conn: Connection, tenant_id: UUID, by: dt.timedelta) -> TenantClock:
    """Move a sandbox's clock forward; the caller has locked it."""
    row = await conn.fetchrow(
        """
        UPDATE policy.clocks SET clock_offset = clock_offset + $2
         WHERE tenant_id = $1 AND is_sandbox
        RETURNING now() + clock_offset AS now, clock_offset
        """,
        tenant_id,
        by,
    )
    assert row is not None
    return TenantClock(row["now"], row["clock_offset"])
