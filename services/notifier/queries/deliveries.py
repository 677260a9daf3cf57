"""Deliveries: queued by commands, claimed with a lease, ended by outcomes and receipts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.envelope import Envelope
from shared.contracts.replies import DeliveryView
from shared.contracts.types import Channel
from shared.db.connection import Connection, Record

LEASE = dt.timedelta(seconds=120)  # longer than any provider may take

_COLUMNS = """
    d.tenant_id, d.delivery_id, d.account_id, d.channel, d.notification, d.destination, d.masked, d.language,
    d.time_zone, d.params, d.code, d.secrets, d.not_after, d.challenge_id, d.factor_id, d.recovery_id, d.actor,
    d.command_id, d.correlation_id, d.attempts, d.unknowns, d.queued_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification on its way over one channel."""

    tenant_id: UUID
    delivery_id: UUID
    account_id: str
    channel: Channel
    notification: str
    destination: str = field(repr=False)
    masked: str = field(repr=False)
    language: str
    time_zone: str
    params: dict[str, object] = field(repr=False)
    code: str | None = field(repr=False)
    secrets: str | None = field(repr=False)
    not_after: dt.datetime | None
    challenge_id: UUID | None
    factor_id: UUID | None
    recovery_id: UUID | None
    actor: str
    command_id: UUID
    correlation_id: UUID
    attempts: int
    unknowns: int
    queued_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery in our hands until its lease ends, and what it needs to be rendered. `now` is tenant time."""

    delivery: Delivery
    tenant_name: str
    is_sandbox: bool
    settings: dict[str, object] = field(repr=False)
    now: dt.datetime


async def queue_deliveries(conn: Connection, commands: Sequence[Envelope[SendEmail] | Envelope[SendSms]]) -> None:
    """One row a command; a delivery id that is known already is a duplicate."""
    await conn.executemany(
        """
        INSERT INTO notifier.deliveries (
               tenant_id, delivery_id, account_id, channel, notification, destination, masked, language, time_zone,
               params, code, secrets, not_after, challenge_id, factor_id, recovery_id, actor, command_id,
               correlation_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
            ON CONFLICT DO NOTHING
        """,
        [_row(command) for command in commands],
    )


def _row(command: Envelope[SendEmail] | Envelope[SendSms]) -> tuple[object, ...]:
    data = command.data
    return (
        command.tenant_id,
        data.delivery_id,
        command.account_id or "",
        data.channel.value,
        data.notification.value,
        data.destination.sealed,
        data.destination.masked,
        data.language,
        data.time_zone,
        data.params,
        data.code,
        data.secrets,
        data.not_after,
        data.challenge_id,
        data.factor_id,
        data.recovery_id,
        command.actor,
        command.id,
        command.correlation_id,
    )


async def claim_deliveries(conn: Connection, channel: Channel, *, limit: int) -> list[Claimed]:
    """Take what is due on a channel, of all tenants, with a lease; needs a transaction on work queues."""
    rows = await conn.fetch(
        f"""
        WITH due AS (
          SELECT tenant_id, delivery_id
            FROM notifier.deliveries
           WHERE state = 'queued' AND channel = $1 AND next_attempt_at <= now()
           ORDER BY next_attempt_at
           LIMIT $2
             FOR UPDATE SKIP LOCKED
        )
        UPDATE notifier.deliveries AS d
           SET state = 'sending', attempts = d.attempts + 1, lease_until = now() + $3::interval
          FROM due
          JOIN gateway.tenants_at_work AS t ON t.tenant_id = due.tenant_id
         WHERE d.tenant_id = due.tenant_id AND d.delivery_id = due.delivery_id
        RETURNING {_COLUMNS}, t.name AS tenant_name, t.is_sandbox, t.settings, now() + t.clock_offset AS tenant_now
        """,  # noqa: S608 - constant columns
        channel.value,
        limit,
        LEASE,
    )
    return [
        Claimed(
            delivery=_delivery(row),
            tenant_name=row["tenant_name"],
            is_sandbox=row["is_sandbox"],
            settings=row["settings"],
            now=row["tenant_now"],
        )
        for row in rows
    ]


def _delivery(row: Record) -> Delivery:
    known = {name: row[name] for name in Delivery.__slots__}
    return Delivery(**known | {"channel": Channel(row["channel"])})


async def record_sent(conn: Connection, delivery: Delivery, *, provider_id: str | None) -> str | None:
    """The provider has it; the new state (``delivered`` when the receipt was faster), None if the lease ended."""
    state: str | None = await conn.fetchval(
        """
        UPDATE notifier.deliveries
           SET state = coalesce(receipt, 'accepted'), provider_id = $3, lease_until = NULL, code = NULL, secrets = NULL,
               ended_at = CASE WHEN receipt IS NULL THEN NULL ELSE now() END
         WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending'
        RETURNING state
        """,
        delivery.tenant_id,
        delivery.delivery_id,
        provider_id,
    )
    return state


async def record_again(
    conn: Connection, delivery: Delivery, *, delay: dt.timedelta, reason: str, is_unknown: bool, is_counted: bool
) -> bool:
    """Back in the queue."""
    return bool(
        await conn.fetchval(
            """
            UPDATE notifier.deliveries
               SET state = 'queued', next_attempt_at = now() + $3::interval, reason = $4, lease_until = NULL,
                   unknowns = unknowns + $5::int, attempts = attempts - $6::int
             WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending'
            RETURNING true
            """,
            delivery.tenant_id,
            delivery.delivery_id,
            delay,
            reason,
            int(is_unknown),
            int(not is_counted),
        )
    )


async def record_ended(conn: Connection, delivery: Delivery, *, state: str, reason: str | None) -> bool:
    """No more attempts: ``refused``, ``unknown`` or ``expired``."""
    return bool(
        await conn.fetchval(
            """
            UPDATE notifier.deliveries
               SET state = $3, reason = $4, lease_until = NULL, code = NULL, secrets = NULL, ended_at = now()
             WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'sending'
            RETURNING true
            """,
            delivery.tenant_id,
            delivery.delivery_id,
            state,
            reason,
        )
    )


async def record_receipt(conn: Connection, tenant_id: UUID, delivery_id: UUID, *, state: str) -> Delivery | None:
    """The provider's report on a message that it accepted; None when it says nothing new.

    One that comes while the outcome is still being written down is kept with the row, and counts then.
    """
    row = await conn.fetchrow(
        f"""
        UPDATE notifier.deliveries AS d
           SET receipt = $3, state = CASE WHEN state = 'accepted' THEN $3 ELSE state END,
               ended_at = CASE WHEN state = 'accepted' THEN now() ELSE ended_at END
         WHERE tenant_id = $1 AND delivery_id = $2 AND state IN ('sending', 'accepted') AND receipt IS NULL
        RETURNING {_COLUMNS}, d.state
        """,  # noqa: S608 - constant columns
        tenant_id,
        delivery_id,
        state,
    )
    return _delivery(row) if row and row["state"] == state else None


async def claim_expired_leases(conn: Connection, *, limit: int) -> list[Delivery]:
    """Deliveries whose process died while it was sending; needs a transaction on work queues."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM notifier.deliveries AS d
         WHERE d.state = 'sending' AND d.lease_until < now()
         ORDER BY d.lease_until
         LIMIT $1
           FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - constant columns
        limit,
    )
    return [_delivery(row) for row in rows]


async def deliveries_of_challenge(conn: Connection, tenant_id: UUID, challenge_id: UUID) -> list[DeliveryView]:
    """What was sent for a challenge, oldest first."""
    rows = await conn.fetch(
        """
        SELECT delivery_id AS id, channel, notification, masked AS destination, state, reason, queued_at, ended_at
          FROM notifier.deliveries
         WHERE tenant_id = $1 AND challenge_id = $2
         ORDER BY delivery_id
        """,
        tenant_id,
        challenge_id,
    )
    return [DeliveryView.model_validate(dict(row)) for row in rows]
