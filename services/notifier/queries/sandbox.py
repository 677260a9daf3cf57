"""Messages of sandbox tenants, for the developers who test their integration."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.connection import Connection

KEEP = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRow:
    """A message, its content sealed to the notifier."""

    tenant_id: UUID
    delivery_id: UUID
    account_id: str
    channel: str
    notification: str
    content: str = field(repr=False)
    sent_at: dt.datetime


async def keep_messages(conn: Connection, messages: Sequence[SandboxRow]) -> None:
    """Store what sandboxes' people were sent; a second send is the same message.

    Without its delivery one is not kept: the account was erased while the message was on its way.
    """
    await conn.execute(
        """
        INSERT INTO notifier.sandbox_messages (
               tenant_id, delivery_id, account_id, channel, notification, content, sent_at)
        SELECT m.tenant_id, m.delivery_id, m.account_id, m.channel, m.notification, m.content, m.sent_at
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
               AS m (tenant_id, delivery_id, account_id, channel, notification, content, sent_at)
         WHERE EXISTS (SELECT FROM notifier.deliveries AS d
                        WHERE d.tenant_id = m.tenant_id AND d.delivery_id = m.delivery_id OFFSET 0)
            ON CONFLICT DO NOTHING
        """,
        [each.tenant_id for each in messages],
        [each.delivery_id for each in messages],
        [each.account_id for each in messages],
        [each.channel for each in messages],
        [each.notification for each in messages],
        [each.content for each in messages],
        [each.sent_at for each in messages],
    )


async def sandbox_messages(
    conn: Connection, tenant_id: UUID, *, account_id: str | None, after: UUID | None, limit: int
) -> Sequence[SandboxRow]:
    """A page of messages in the order in which they were queued."""
    rows = await conn.fetch(
        """
        SELECT tenant_id, delivery_id, account_id, channel, notification, content, sent_at
          FROM notifier.sandbox_messages
         WHERE tenant_id = $1 AND ($2::text IS NULL OR account_id = $2) AND ($3::uuid IS NULL OR delivery_id > $3)
         ORDER BY delivery_id
         LIMIT $4
        """,
        tenant_id,
        account_id,
        after,
        limit,
    )
    return [SandboxRow(**dict(row)) for row in rows]


async def purge_messages(conn: Connection) -> None:
    """Forget what is older than a week, by system time: a clock that was moved a year ahead keeps nothing for a year.

    Needs a transaction on work queues.
    """
    await conn.execute(
        "DELETE FROM notifier.sandbox_messages WHERE delivery_id < bus.id_floor(now() - $1::interval)", KEEP
    )
