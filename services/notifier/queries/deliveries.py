"""Deliveries: queued by commands, claimed with a lease."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.envelope import Envelope
from shared.contracts.replies import DeliveryView, SentDelivery
from shared.contracts.types import Channel
from shared.db.connection import Connection, Record
from shared.db.low_water import EVERYTHING

LEASE = dt.timedelta(seconds=120)  # longer than any provider may take

COLUMNS = """
    d.tenant_id, d.delivery_id, d.account_id, d.channel, d.notification, d.destination, d.masked, d.language,
    d.time_zone, d.params, d.code, d.secrets, d.not_after, d.challenge_id, d.factor_id, d.recovery_id, d.actor,
    d.command_id, d.correlation_id, d.attempts, d.unknowns, d.queued_at, d.said_at
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
    said_at: dt.datetime | None  # tenant time


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery in our hands until its lease ends, and what it needs to be rendered. `now` is tenant time; `waited` is
    since when it was due.
    """

    delivery: Delivery
    tenant_name: str
    is_sandbox: bool
    settings: dict[str, object] = field(repr=False)
    now: dt.datetime
    waited: dt.timedelta = dt.timedelta()

    def setting(self, name: str) -> str | None:
        """A text that the tenant has set; None where it left the default."""
        value = self.settings.get(name)
        return value if isinstance(value, str) and value else None


async def queue_deliveries(conn: Connection, commands: Sequence[Envelope[SendEmail] | Envelope[SendSms]]) -> None:
    """One row a command; a delivery id that is known already is a duplicate. An erased account is told nothing."""
    await conn.execute(
        """
        INSERT INTO notifier.deliveries (
               tenant_id, delivery_id, account_id, channel, notification, destination, masked, language, time_zone,
               params, code, secrets, not_after, challenge_id, factor_id, recovery_id, actor, command_id,
               correlation_id, said_at)
        SELECT q.*
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                      $9::text[], $10::jsonb[], $11::text[], $12::text[], $13::timestamptz[], $14::uuid[], $15::uuid[],
                      $16::uuid[], $17::text[], $18::uuid[], $19::uuid[], $20::timestamptz[])
               AS q (tenant_id, delivery_id, account_id, channel, notification, destination, masked, language,
                     time_zone, params, code, secrets, not_after, challenge_id, factor_id, recovery_id, actor,
                     command_id, correlation_id, said_at)
         WHERE NOT EXISTS (SELECT FROM policy.erased_accounts AS e
                            WHERE e.tenant_id = q.tenant_id AND e.account_id = q.account_id
                              AND (e.erased_at >= q.said_at OR NOT e.is_there) OFFSET 0)
         ORDER BY q.tenant_id, q.delivery_id
            ON CONFLICT DO NOTHING
        """,
        *zip(*map(_row, commands), strict=True),
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
        command.time,
    )


async def claim_deliveries(
    conn: Connection, channel: Channel, *, limit: int, reach: dt.timedelta = EVERYTHING
) -> list[Claimed]:
    """Take what is due on a channel, of all tenants, with a lease; needs a transaction on work queues.

    ``reach``: what was due longer ago is left.
    """
    rows = await conn.fetch(
        f"""
        WITH due AS (
          SELECT tenant_id, delivery_id
            FROM notifier.deliveries
           WHERE state = 'queued' AND channel = $1 AND next_attempt_at BETWEEN now() - $4::interval AND now()
           ORDER BY next_attempt_at
           LIMIT $2
             FOR UPDATE SKIP LOCKED
        ), whose AS MATERIALIZED (  -- joined below, a tenant's deliveries would be read for each
          SELECT due.tenant_id, due.delivery_id, t.name, t.is_sandbox, t.settings, t.clock_offset
            FROM due JOIN gateway.tenants_at_work AS t ON t.tenant_id = due.tenant_id
        )
        UPDATE notifier.deliveries AS d
           SET state = 'sending', attempts = d.attempts + 1, lease_until = now() + $3::interval
          FROM whose AS t
         WHERE d.tenant_id = ANY (ARRAY[t.tenant_id]) AND d.delivery_id = t.delivery_id
        RETURNING {COLUMNS}, t.name AS tenant_name, t.is_sandbox, t.settings, now() + t.clock_offset AS tenant_now,
                  now() - d.next_attempt_at AS waited
        """,  # noqa: S608 - constant columns
        channel.value,
        limit,
        LEASE,
        reach,
    )
    return [
        Claimed(
            delivery=delivery_of(row),
            tenant_name=row["tenant_name"],
            is_sandbox=row["is_sandbox"],
            settings=row["settings"],
            now=row["tenant_now"],
            waited=row["waited"],
        )
        for row in rows
    ]


def delivery_of(row: Record) -> Delivery:
    """A row's `COLUMNS` as a `Delivery`."""
    known = {name: row[name] for name in Delivery.__slots__}
    return Delivery(**known | {"channel": Channel(row["channel"])})


async def claim_expired_leases(conn: Connection, *, limit: int) -> list[tuple[Delivery, dt.datetime]]:
    """Deliveries whose process died while it was sending, with tenant time; needs a transaction on work queues."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS}, policy.tenant_now(d.tenant_id) AS tenant_now
          FROM notifier.deliveries AS d
         WHERE d.state = 'sending' AND d.lease_until < now()
         ORDER BY d.lease_until
         LIMIT $1
           FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - constant columns
        limit,
    )
    return [(delivery_of(row), row["tenant_now"]) for row in rows]


async def deliveries_of_challenge(conn: Connection, tenant_id: UUID, challenge_id: UUID) -> list[DeliveryView]:
    """What was sent for a challenge, oldest first."""
    rows = await conn.fetch(
        """
        SELECT delivery_id AS id, channel, notification, masked AS destination, state, reason, queued_at, ended_at
          FROM notifier.deliveries
         WHERE tenant_id = $1 AND challenge_id = $2
         ORDER BY queued_at, delivery_id
        """,
        tenant_id,
        challenge_id,
    )
    return [DeliveryView.model_validate(dict(row)) for row in rows]


async def deliveries_of_account(conn: Connection, tenant_id: UUID, account_id: str) -> list[SentDelivery]:
    """What was sent to an account, newest first; the newest thousand."""
    rows = await conn.fetch(
        """
        SELECT delivery_id AS id, channel, notification, masked AS destination, destination AS sealed, state, reason,
               queued_at, ended_at
          FROM notifier.deliveries
         WHERE tenant_id = $1 AND account_id = $2
         ORDER BY queued_at DESC, delivery_id DESC LIMIT 1000
        """,
        tenant_id,
        account_id,
    )
    return [SentDelivery.model_validate(dict(row)) for row in rows]
