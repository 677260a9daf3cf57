"""Since when an account's sessions at the helpdesk are good. Tenant time."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from shared.db.account_lock import Account
from shared.db.connection import Connection


async def record_ends_of_sessions(conn: Connection, ended: Sequence[tuple[Account, dt.datetime]]) -> None:
    """Sessions of these accounts begun before then are to end. It never goes back, in whatever order the news arrives;
    news from before the account are of who had its id.
    """
    await conn.execute(
        """
        UPDATE policy.accounts AS a SET sessions_valid_from = ended.at
          FROM (SELECT tenant_id, account_id, max(at) AS at
                  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS news (tenant_id, account_id, at)
                 GROUP BY tenant_id, account_id ORDER BY tenant_id, account_id) AS ended
         WHERE a.tenant_id = ANY (ARRAY[ended.tenant_id]) AND a.account_id = ANY (ARRAY[ended.account_id])
           AND a.created_at <= ended.at
           AND (a.sessions_valid_from IS NULL OR a.sessions_valid_from < ended.at)
        """,
        [tenant_id for (tenant_id, _), _ in ended],
        [account_id for (_, account_id), _ in ended],
        [at for _, at in ended],
    )


async def read_sessions_valid_from(conn: Connection, tenant_id: UUID, account_id: str) -> dt.datetime | None:
    """None: no session was ever to end."""
    at: dt.datetime | None = await conn.fetchval(
        "SELECT sessions_valid_from FROM policy.accounts WHERE tenant_id = $1 AND account_id = $2",
        tenant_id,
        account_id,
    )
    return at
