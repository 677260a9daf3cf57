"""Messages that leave with a commit, and what a crash left over."""

import dataclasses
import datetime as dt
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.connection import Connection, Record
from shared.db.low_water import EVERYTHING
from shared.messaging.bus import Exchange, Outgoing

FIRST_PAUSE = dt.timedelta(seconds=5)  # after a publish that was not confirmed; doubled each time
LONGEST_PAUSE = dt.timedelta(seconds=30)

RowKey = tuple[UUID, str]
"""A row's primary key: message id and routing key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One message, encoded, and whom it concerns."""

    message_id: UUID
    tenant_id: UUID | None
    exchange: Exchange
    routing_key: str
    body: bytes = field(repr=False)
    has_own_queue: bool = False  # a fact of a tenant who reads its own on the broker

    @property
    def key(self) -> RowKey:
        """What the row is found by."""
        return self.message_id, self.routing_key

    def outgoing(self) -> Outgoing:
        """The row as the transport takes it."""
        return Outgoing(
            message_id=self.message_id,
            exchange=self.exchange,
            routing_key=self.routing_key,
            body=self.body,
            tenant_id=self.tenant_id,
            has_own_queue=self.has_own_queue,
        )


STORED = """
  INSERT INTO bus.outbox (message_id, tenant_id, exchange, routing_key, body, has_own_queue)
  SELECT said.*, said.exchange = $6
                 AND EXISTS (SELECT FROM bus.tenants_on_the_broker AS t WHERE t.tenant_id = said.tenant_id)
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[])
      AS said (message_id, tenant_id, exchange, routing_key, body)
  RETURNING message_id, has_own_queue
"""


async def insert_messages(conn: Connection, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Store messages in the transaction of the rows that they speak about; as they are to be handed over."""
    found = await conn.fetch(
        f"WITH stored AS ({STORED}) SELECT message_id FROM stored WHERE has_own_queue",  # noqa: S608 - a constant
        *columns(rows),
    )
    return as_stored(rows, {each["message_id"] for each in found})


def columns(rows: Sequence[OutboxRow]) -> tuple[object, ...]:
    """The six parameters of `STORED`."""
    return (
        [row.message_id for row in rows],
        [row.tenant_id for row in rows],
        [row.exchange.value for row in rows],
        [row.routing_key for row in rows],
        [row.body for row in rows],
        Exchange.EVENTS.value,
    )


def as_stored(rows: Sequence[OutboxRow], own: Container[UUID]) -> list[OutboxRow]:
    """The rows as they are handed over; ``own``: the messages whose tenant has a queue of its own."""
    return [dataclasses.replace(row, has_own_queue=True) if row.message_id in own else row for row in rows]


async def insert_again(conn: Connection, row: OutboxRow) -> None:
    """Say a message once more, by the same way or another; what is still to be said by it is said once."""
    await conn.execute(
        """
        INSERT INTO bus.outbox (message_id, tenant_id, exchange, routing_key, body, sweep_at)
        VALUES ($1, $2, $3, $4, $5, now())
            ON CONFLICT (message_id, routing_key) DO UPDATE
           SET body = excluded.body, published_at = NULL, sweep_at = now(), attempts = 0, last_outcome = NULL
        """,
        row.message_id,
        row.tenant_id,
        row.exchange.value,
        row.routing_key,
        row.body,
    )


async def mark_published(conn: Connection, keys: Sequence[RowKey]) -> None:
    """The transport has confirmed these; a row deleted meanwhile is no error.

    That a row is unpublished is written so that the index of unpublished rows does not serve it: planned among few
    rows it would be read whole, with all that were published since the last vacuum. ``ANY (ARRAY[…])`` is an equality
    that no list in the order of an index serves for, or that of all rows would be read in that order.
    """
    await conn.execute(
        """
        UPDATE bus.outbox AS o SET published_at = now()
          FROM unnest($1::uuid[], $2::text[]) AS done (message_id, routing_key)
         WHERE o.message_id = ANY (ARRAY[done.message_id]) AND o.routing_key = done.routing_key
           AND coalesce(o.published_at, 'infinity') = 'infinity'
        """,
        [message_id for message_id, _ in keys],
        [routing_key for _, routing_key in keys],
    )


async def mark_failed(conn: Connection, failures: Sequence[tuple[RowKey, str]]) -> None:
    """Count an attempt that was not confirmed, with its outcome for the person who looks; it comes again later."""
    await conn.execute(
        """
        UPDATE bus.outbox AS o
           SET attempts = o.attempts + 1, last_outcome = f.outcome,
               sweep_at = now() + least($4::interval * 2 ^ least(o.attempts, 16), $5::interval)
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS f (message_id, routing_key, outcome)
         WHERE o.message_id = ANY (ARRAY[f.message_id]) AND o.routing_key = f.routing_key
           AND coalesce(o.published_at, 'infinity') = 'infinity'
        """,
        [message_id for (message_id, _), _ in failures],
        [routing_key for (_, routing_key), _ in failures],
        [outcome for _, outcome in failures],
        FIRST_PAUSE,
        LONGEST_PAUSE,
    )


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Rows that were in nobody's hands, and how long the first of them has been."""

    rows: Sequence[OutboxRow]
    waited: dt.timedelta


async def claim_leftovers(
    conn: Connection,
    *,
    lease: dt.timedelta,
    limit: int,
    early: dt.timedelta = dt.timedelta(),
    reach: dt.timedelta = EVERYTHING,
) -> Leftovers:
    """Unpublished rows that are in nobody's hands, longest waiting first. For ``lease`` they are in the caller's.

    ``early``: take those too that are to be left alone for so long. ``reach``: leave those that wait for longer.
    """
    rows = await conn.fetch(
        """
        WITH due AS MATERIALIZED (
          SELECT message_id, routing_key, sweep_at
            FROM bus.outbox
           WHERE published_at IS NULL AND sweep_at BETWEEN now() - $4::interval AND now() + $3::interval
           ORDER BY sweep_at
           LIMIT $1
             FOR UPDATE SKIP LOCKED
        )
        UPDATE bus.outbox AS o SET sweep_at = now() + $2::interval
          FROM due
         WHERE o.message_id = due.message_id AND o.routing_key = due.routing_key
           AND o.message_id = ANY (ARRAY(SELECT message_id FROM due))
        RETURNING o.message_id, o.tenant_id, o.exchange, o.routing_key, o.body, o.has_own_queue,
                  now() - due.sweep_at AS waited
        """,
        limit,
        lease,
        early,
        reach,
    )
    return Leftovers([_outbox_row(row) for row in rows], max((row["waited"] for row in rows), default=dt.timedelta()))


def _outbox_row(row: Record) -> OutboxRow:
    return OutboxRow(
        message_id=row["message_id"],
        tenant_id=row["tenant_id"],
        exchange=Exchange(row["exchange"]),
        routing_key=row["routing_key"],
        body=row["body"],
        has_own_queue=row["has_own_queue"],
    )
