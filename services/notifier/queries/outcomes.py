"""What became of a delivery. Each is a compare-and-set on the attempt that it is about.

A process that was stopped for longer than its lease comes back with the outcome of an attempt that somebody else has
judged already: that one stands, or a delivery could be sent a third time.
"""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from services.notifier.queries.deliveries import COLUMNS, Delivery, delivery_of
from shared.contracts.types import DeliveryState
from shared.db.connection import Connection


async def record_sent(
    conn: Connection, sent: Sequence[tuple[Delivery, str | None]]
) -> dict[tuple[UUID, UUID], DeliveryState]:
    """The provider has these; with each its name for it. The new states, by tenant and delivery: ``delivered`` where
    the receipt was faster; none of those whose lease ended.
    """
    rows = await conn.fetch(
        """
        UPDATE notifier.deliveries AS d
           SET state = coalesce(d.receipt, 'accepted'), provider_id = s.provider_id, lease_until = NULL, code = NULL,
               secrets = NULL, ended_at = CASE WHEN d.receipt IS NULL THEN NULL ELSE now() END
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[])
               AS s (tenant_id, delivery_id, attempts, unknowns, provider_id)
         WHERE d.tenant_id = ANY (ARRAY[s.tenant_id]) AND d.delivery_id = s.delivery_id
           AND d.state = 'sending' AND d.attempts = s.attempts AND d.unknowns = s.unknowns
        RETURNING d.tenant_id, d.delivery_id, d.state
        """,
        [delivery.tenant_id for delivery, _ in sent],
        [delivery.delivery_id for delivery, _ in sent],
        [delivery.attempts for delivery, _ in sent],
        [delivery.unknowns for delivery, _ in sent],
        [provider_id for _, provider_id in sent],
    )
    return {(row["tenant_id"], row["delivery_id"]): DeliveryState(row["state"]) for row in rows}


async def record_again(
    conn: Connection, delivery: Delivery, *, delay: dt.timedelta, reason: str, is_unknown: bool, is_counted: bool
) -> None:
    """Back in the queue."""
    await conn.execute(
        """
        UPDATE notifier.deliveries
           SET state = 'queued', next_attempt_at = now() + $5::interval, reason = $6, lease_until = NULL,
               unknowns = unknowns + $7::int, attempts = attempts - $8::int
         WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending' AND attempts = $3 AND unknowns = $4
        """,
        *_attempt(delivery),
        delay,
        reason,
        int(is_unknown),
        int(not is_counted),
    )


async def record_ended(conn: Connection, delivery: Delivery, *, state: DeliveryState, reason: str | None) -> bool:
    """No more attempts: ``refused``, ``unknown`` or ``expired``; False if the lease ended."""
    status = await conn.execute(
        """
        UPDATE notifier.deliveries
           SET state = $5, reason = $6, lease_until = NULL, code = NULL, secrets = NULL, ended_at = now()
         WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending' AND attempts = $3 AND unknowns = $4
        """,
        *_attempt(delivery),
        state.value,
        reason,
    )
    return status != "UPDATE 0"


async def record_received(conn: Connection, delivery: Delivery) -> DeliveryState | None:
    """A receipt came while nobody knew whether the provider had it: it had. None where there was no receipt."""
    state = await conn.fetchval(
        """
        UPDATE notifier.deliveries
           SET state = receipt, lease_until = NULL, code = NULL, secrets = NULL, ended_at = now()
         WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending' AND attempts = $3 AND unknowns = $4
           AND receipt IS NOT NULL
        RETURNING state
        """,
        *_attempt(delivery),
    )
    return DeliveryState(state) if state is not None else None


async def record_receipt(
    conn: Connection, tenant_id: UUID, delivery_id: UUID, *, state: DeliveryState
) -> Delivery | None:
    """The provider's report on a message that it has or may have; None when it says nothing new.

    One that comes while the outcome is still being written down is kept with the row, and counts then.
    """
    row = await conn.fetchrow(
        f"""
        UPDATE notifier.deliveries AS d
           SET receipt = $3,
               state = CASE d.state WHEN 'sending' THEN d.state ELSE $3 END,
               ended_at = CASE d.state WHEN 'sending' THEN NULL ELSE now() END,
               code = CASE d.state WHEN 'sending' THEN d.code END,
               secrets = CASE d.state WHEN 'sending' THEN d.secrets END
         WHERE tenant_id = $1 AND delivery_id = $2 AND receipt IS NULL
           AND (d.state IN ('sending', 'accepted', 'unknown') OR (d.state = 'queued' AND d.unknowns > 0))
        RETURNING {COLUMNS}, d.state
        """,  # noqa: S608 - constant columns
        tenant_id,
        delivery_id,
        state.value,
    )
    return delivery_of(row) if row and row["state"] == state else None


def _attempt(delivery: Delivery) -> tuple[object, ...]:
    """The first four arguments: which delivery, and which attempt at it."""
    return delivery.tenant_id, delivery.delivery_id, delivery.attempts, delivery.unknowns
