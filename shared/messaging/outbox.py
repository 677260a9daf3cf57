"""Messages that leave with a commit, and what a crash left over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.connection import Connection
from shared.messaging.bus import Exchange, Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One message, encoded, and whom it concerns."""

    message_id: UUID
    tenant_id: UUID | None
    exchange: Exchange
    routing_key: str
    body: bytes = field(repr=False)

    def outgoing(self) -> Outgoing:
        """The row as the transport takes it."""
        return Outgoing(
            message_id=self.message_id, exchange=self.exchange, routing_key=self.routing_key, body=self.body
        )


async def insert_messages(conn: Connection, rows: Sequence[OutboxRow]) -> None:
    """Store messages in the transaction of the rows that they speak about."""
    await conn.execute(
        """
        INSERT INTO bus.outbox (message_id, tenant_id, exchange, routing_key, body)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[])
        """,
        [row.message_id for row in rows],
        [row.tenant_id for row in rows],
        [row.exchange.value for row in rows],
        [row.routing_key for row in rows],
        [row.body for row in rows],
    )


async def mark_published(conn: Connection, message_ids: Sequence[UUID]) -> None:
    """The transport has confirmed these; a row deleted meanwhile is no error."""
    await conn.execute(
        "UPDATE bus.outbox SET published_at = now() WHERE message_id = ANY ($1::uuid[]) AND published_at IS NULL",
        list(message_ids),
    )


async def mark_failed(conn: Connection, failures: Sequence[tuple[UUID, str]]) -> None:
    """Count an attempt that was not confirmed, with its outcome, for the person who looks."""
    await conn.execute(
        """
        UPDATE bus.outbox AS o
           SET attempts = o.attempts + 1, last_outcome = f.outcome
          FROM unnest($1::uuid[], $2::text[]) AS f (message_id, outcome)
         WHERE o.message_id = f.message_id AND o.published_at IS NULL
        """,
        [message_id for message_id, _ in failures],
        [outcome for _, outcome in failures],
    )


async def claim_leftovers(conn: Connection, *, older_than_seconds: float, limit: int) -> list[OutboxRow]:
    """Unpublished rows that their own process should have published long ago, locked until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT message_id, tenant_id, exchange, routing_key, body
          FROM bus.outbox
         WHERE published_at IS NULL AND created_at < now() - make_interval(secs => $1)
         ORDER BY message_id
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        """,
        older_than_seconds,
        limit,
    )
    return [
        OutboxRow(
            message_id=row["message_id"],
            tenant_id=row["tenant_id"],
            exchange=Exchange(row["exchange"]),
            routing_key=row["routing_key"],
            body=row["body"],
        )
        for row in rows
    ]
