"""Since when an account's sessions at the helpdesk are good. Tenant time."""

import datetime as dt
from uuid import UUID

from shared.db.connection import Connection


async def record_end_of_sessions(conn: Connection, tenant_id: UUID, account_id: str, at: dt.datetime) -> None:
    """Sessions begun before ``at`` are to end. It never goes back, in whatever order the news arrives; news from before
    the account are of who had its id.
    """
    await conn.execute(
        """
        UPDATE policy.accounts SET sessions_valid_from = $3
         WHERE tenant_id = $1 AND account_id = $2 AND created_at <= $3
           AND (sessions_valid_from IS NULL OR sessions_valid_from < $3)
        """,
        tenant_id,
        account_id,
        at,
    )


async def read_sessions_valid_from(conn: Connection, tenant_id: UUID, account_id: str) -> dt.datetime | None:
    """None: no session was ever to end."""
    at: dt.datetime | None = await conn.fetchval(
        "SELECT sessions_valid_from FROM policy.accounts WHERE tenant_id = $1 AND account_id = $2",
        tenant_id,
        account_id,
    )
    return at
