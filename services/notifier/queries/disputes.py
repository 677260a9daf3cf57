"""What people say of notices: "this was not me"."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from services.notifier.queries.deliveries import COLUMNS, Claimed, delivery_of
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SentNotice:
    """A notice that was handed in to be sent; `age` is system time."""

    as_sent: Claimed
    age: dt.timedelta
    disputed_at: dt.datetime | None


async def find_notice(conn: Connection, tenant_id: UUID, delivery_id: UUID) -> SentNotice | None:
    """By its delivery, with all that it takes to say it again. One to somebody who has left is none any more: whoever
    has the id now was never told.
    """
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS}, d.disputed_at, now() - d.queued_at AS age, t.name AS tenant_name, t.is_sandbox, t.settings,
               now() + t.clock_offset AS tenant_now
          FROM notifier.deliveries AS d
          JOIN gateway.tenants_at_work AS t ON t.tenant_id = d.tenant_id
         WHERE d.tenant_id = $1 AND d.delivery_id = $2
           AND NOT EXISTS (SELECT FROM policy.erased_accounts AS e
                            WHERE e.tenant_id = d.tenant_id AND e.account_id = d.account_id
                              AND d.queued_at <= e.erased_system_at OFFSET 0)
        """,  # noqa: S608 - constant columns
        tenant_id,
        delivery_id,
    )
    if row is None:
        return None
    as_sent = Claimed(
        delivery=delivery_of(row),
        tenant_name=row["tenant_name"],
        is_sandbox=row["is_sandbox"],
        settings=row["settings"],
        now=row["tenant_now"],
    )
    return SentNotice(as_sent=as_sent, age=row["age"], disputed_at=row["disputed_at"])


async def record_dispute(
    conn: Connection, tenant_id: UUID, delivery_id: UUID, *, repeated_within: dt.timedelta
) -> bool | None:
    """Keep that it was disputed. None: it had been; else whether another notice of the account was, just before."""
    is_repeated: bool | None = await conn.fetchval(
        """
        UPDATE notifier.deliveries AS d SET disputed_at = now()
         WHERE d.tenant_id = $1 AND d.delivery_id = $2 AND d.disputed_at IS NULL
        RETURNING EXISTS (SELECT FROM notifier.deliveries AS other
                           WHERE other.tenant_id = d.tenant_id AND other.account_id = d.account_id
                             AND other.disputed_at > now() - $3::interval OFFSET 0)
        """,
        tenant_id,
        delivery_id,
        repeated_within,
    )
    return is_repeated
