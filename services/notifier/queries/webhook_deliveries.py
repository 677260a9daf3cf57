"""Events on their way to webhook endpoints: queued by the lane, claimed with a lease, ended by outcomes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.notifier.domain.webhook import OFFSETS
from shared.contracts.replies import WebhookDeliveryView
from shared.contracts.types import WebhookState
from shared.db.connection import Connection, Record
from shared.db.low_water import EVERYTHING

LEASE = dt.timedelta(seconds=60)  # longer than an endpoint may take
AT_ONCE = 4  # deliveries to one endpoint; to one that fails, a single one

_VIEW = """
    d.delivery_id AS id, d.endpoint_id, d.event_id::text AS event_id, d.event_type, d.state, d.attempts, d.status,
    d.reason, d.queued_at, CASE WHEN d.state = 'queued' THEN d.next_attempt_at END AS next_attempt_at, d.ended_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """An event for an endpoint."""

    tenant_id: UUID
    endpoint_id: UUID
    event_id: UUID
    delivery_id: UUID
    event_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A delivery in our hands until its lease ends. `sent_at` is system time, for the signature."""

    tenant_id: UUID
    endpoint_id: UUID
    event_id: UUID
    delivery_id: UUID
    body: bytes = field(repr=False)
    attempts: int
    elapsed: dt.timedelta
    url: str = field(repr=False)
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    is_sandbox: bool
    sent_at: dt.datetime


async def queue_webhooks(conn: Connection, rows: Sequence[NewDelivery]) -> None:
    """One row an endpoint and event; an event that comes again is the same one."""
    await conn.execute(
        """
        INSERT INTO notifier.webhook_deliveries (tenant_id, endpoint_id, event_id, delivery_id, event_type, body)
        SELECT tenant_id, endpoint_id, event_id, delivery_id, event_type, body
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bytea[])
            AS new (tenant_id, endpoint_id, event_id, delivery_id, event_type, body)
            ON CONFLICT DO NOTHING
        """,
        [row.tenant_id for row in rows],
        [row.endpoint_id for row in rows],
        [row.event_id for row in rows],
        [row.delivery_id for row in rows],
        [row.event_type for row in rows],
        [row.body for row in rows],
    )


@dataclass(frozen=True, slots=True)
class ClaimedWebhooks:
    """What was taken, and how long the first has been due that was taken or had to be left to its endpoint's turn."""

    rows: Sequence[Webhook]
    waited: dt.timedelta


async def claim_webhooks(conn: Connection, *, limit: int, reach: dt.timedelta = EVERYTHING) -> ClaimedWebhooks:
    """Take what is due, of all tenants, with a lease, a few an endpoint; needs a transaction on work queues.

    The index is read from endpoint to endpoint, not from row to row: ten thousand rows that wait for a slow endpoint
    cost the others nothing. ``reach``: what was due longer ago is left; it is told from the index alone. Rows that were
    found are then taken by their key (``nullif``: the index of what waits holds all that was done with, too).
    """
    rows = await conn.fetch(
        """
        WITH RECURSIVE waiting AS (
          (SELECT tenant_id, endpoint_id, next_attempt_at FROM notifier.webhook_deliveries
            WHERE state = 'queued' AND next_attempt_at >= now() - $4::interval
            ORDER BY tenant_id, endpoint_id, next_attempt_at
            LIMIT 1)
          UNION ALL
          SELECT next.tenant_id, next.endpoint_id, next.next_attempt_at
            FROM waiting AS w
           CROSS JOIN LATERAL (
             SELECT d.tenant_id, d.endpoint_id, d.next_attempt_at FROM notifier.webhook_deliveries AS d
              WHERE d.state = 'queued' AND (d.tenant_id, d.endpoint_id) > (w.tenant_id, w.endpoint_id)
                AND d.next_attempt_at >= now() - $4::interval
              ORDER BY d.tenant_id, d.endpoint_id, d.next_attempt_at
              LIMIT 1) AS next
        ), open AS (
          SELECT e.tenant_id, e.endpoint_id, now() - w.next_attempt_at AS waited,
                 CASE WHEN e.failing_since IS NULL THEN $3::integer ELSE 1 END
                   - (SELECT count(*)
                        FROM notifier.webhook_deliveries AS s
                       WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.endpoint_id AND s.state = 'sending'
                         AND s.lease_until > now()
                     ) AS room
            FROM waiting AS w
            JOIN notifier.webhook_endpoints AS e ON e.tenant_id = w.tenant_id AND e.endpoint_id = w.endpoint_id
           WHERE e.disabled_at IS NULL AND (e.paused_until IS NULL OR e.paused_until <= now())
        ), due AS (
          SELECT o.tenant_id, o.endpoint_id, first.event_id
            FROM open AS o
           CROSS JOIN LATERAL (
             SELECT d.event_id, d.next_attempt_at
               FROM notifier.webhook_deliveries AS d
              WHERE d.tenant_id = o.tenant_id AND d.endpoint_id = o.endpoint_id
                AND d.state = 'queued' AND d.next_attempt_at BETWEEN now() - $4::interval AND now()
              ORDER BY d.next_attempt_at
              LIMIT greatest(o.room, 0)) AS first
           ORDER BY first.next_attempt_at
           LIMIT $1
        ), taken AS (
          SELECT d.tenant_id, d.endpoint_id, d.event_id
            FROM notifier.webhook_deliveries AS d
            JOIN due ON due.tenant_id = d.tenant_id AND due.endpoint_id = d.endpoint_id AND due.event_id = d.event_id
           WHERE nullif(d.state, 'queued') IS NULL AND d.event_id = ANY (ARRAY(SELECT event_id FROM due))
             FOR UPDATE OF d SKIP LOCKED
        ), whose AS MATERIALIZED (  -- joined below, an endpoint's deliveries would be read for each
          SELECT taken.tenant_id, taken.endpoint_id, taken.event_id, e.url, e.secret, t.is_sandbox,
                 CASE WHEN e.previous_until > now() THEN e.previous_secret END AS previous_secret
            FROM taken JOIN gateway.tenants_at_work AS t ON t.tenant_id = taken.tenant_id
            JOIN notifier.webhook_endpoints AS e
              ON e.tenant_id = taken.tenant_id AND e.endpoint_id = taken.endpoint_id
        ), claimed AS (
          UPDATE notifier.webhook_deliveries AS d
             SET state = 'sending', attempts = d.attempts + 1, lease_until = now() + $2::interval,
                 first_attempt_at = coalesce(d.first_attempt_at, now())
            FROM whose AS w
           WHERE d.tenant_id = ANY (ARRAY[w.tenant_id]) AND d.endpoint_id = w.endpoint_id AND d.event_id = w.event_id
          RETURNING d.tenant_id, d.endpoint_id, d.event_id, d.delivery_id, d.body, d.attempts,
                    now() - d.first_attempt_at AS elapsed, w.url, w.secret, w.previous_secret, w.is_sandbox,
                    now() AS sent_at
        )
        SELECT first.waited, claimed.*
          FROM (SELECT coalesce(max(waited), interval '0') AS waited FROM open) AS first LEFT JOIN claimed ON true
        """,
        limit,
        LEASE,
        AT_ONCE,
        reach,
    )
    return ClaimedWebhooks([_webhook(row) for row in rows if row["event_id"] is not None], rows[0]["waited"])


def _webhook(row: Record) -> Webhook:
    return Webhook(**{name: row[name] for name in Webhook.__slots__})


async def record_delivered(conn: Connection, webhook: Webhook, *, status: int) -> None:
    """The endpoint has it; nothing when the lease ended meanwhile and another attempt is under way."""
    await conn.execute(
        """
        UPDATE notifier.webhook_deliveries
           SET state = 'delivered', status = $5, reason = NULL, lease_until = NULL, ended_at = now()
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND state = 'sending' AND attempts = $4
        """,
        *_attempt(webhook),
        status,
    )


async def record_later(
    conn: Connection, webhook: Webhook, *, delay: dt.timedelta, reason: str, status: int | None
) -> None:
    """Back in the queue."""
    await conn.execute(
        """
        UPDATE notifier.webhook_deliveries
           SET state = 'queued', next_attempt_at = now() + $5::interval, reason = $6, status = $7, lease_until = NULL
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND state = 'sending' AND attempts = $4
        """,
        *_attempt(webhook),
        delay,
        reason,
        status,
    )


async def record_failed(conn: Connection, webhook: Webhook, *, reason: str, status: int | None) -> None:
    """No more attempts."""
    await conn.execute(
        """
        UPDATE notifier.webhook_deliveries
           SET state = 'failed', reason = $5, status = $6, lease_until = NULL, ended_at = now()
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND state = 'sending' AND attempts = $4
        """,
        *_attempt(webhook),
        reason,
        status,
    )


def _attempt(webhook: Webhook) -> tuple[object, ...]:
    return webhook.tenant_id, webhook.endpoint_id, webhook.event_id, webhook.attempts


async def end_waiting(conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, reason: str) -> None:
    """What waits for an endpoint will not be sent."""
    await conn.execute(
        """
        UPDATE notifier.webhook_deliveries
           SET state = 'failed', reason = $3, ended_at = now()
         WHERE tenant_id = $1 AND endpoint_id = $2 AND state = 'queued'
        """,
        tenant_id,
        endpoint_id,
        reason,
    )


async def release_leases(conn: Connection, *, limit: int) -> int:
    """What a dead process was sending is due again, unless it was the last attempt; needs work queues."""
    status = await conn.execute(
        """
        WITH lost AS (
          SELECT tenant_id, endpoint_id, event_id FROM notifier.webhook_deliveries
           WHERE state = 'sending' AND lease_until < now()
           LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE notifier.webhook_deliveries AS d
           SET state = CASE WHEN d.attempts < $2 THEN 'queued' ELSE 'failed' END, next_attempt_at = now(),
               reason = 'lease_ended', lease_until = NULL, ended_at = CASE WHEN d.attempts < $2 THEN NULL ELSE now() END
          FROM lost
         WHERE d.tenant_id = lost.tenant_id AND d.endpoint_id = lost.endpoint_id AND d.event_id = lost.event_id
           AND d.event_id = ANY (ARRAY(SELECT event_id FROM lost))
        """,
        limit,
        len(OFFSETS),
    )
    return int(status.split()[-1])


async def redeliver(conn: Connection, tenant_id: UUID, delivery_id: UUID) -> WebhookDeliveryView | None:
    """Due now, on a new schedule; one that is being sent stays as it is. None when there is none of that id."""
    row = await conn.fetchrow(
        f"""
        UPDATE notifier.webhook_deliveries AS d
           SET state = CASE WHEN state = 'sending' THEN state ELSE 'queued' END,
               attempts = CASE WHEN state = 'sending' THEN attempts ELSE 0 END,
               first_attempt_at = CASE WHEN state = 'sending' THEN first_attempt_at END,
               next_attempt_at = now(), ended_at = NULL
         WHERE tenant_id = $1 AND delivery_id = $2
        RETURNING {_VIEW}
        """,  # noqa: S608 - constant columns
        tenant_id,
        delivery_id,
    )
    return _view(row) if row else None


async def delivery(conn: Connection, tenant_id: UUID, delivery_id: UUID) -> WebhookDeliveryView | None:
    """One delivery."""
    row = await conn.fetchrow(
        f"SELECT {_VIEW} FROM notifier.webhook_deliveries AS d WHERE tenant_id = $1 AND delivery_id = $2",  # noqa: S608
        tenant_id,
        delivery_id,
    )
    return _view(row) if row else None


async def deliveries_of(
    conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, state: WebhookState | None, before: UUID | None, limit: int
) -> list[WebhookDeliveryView]:
    """A page of an endpoint's deliveries, newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_VIEW}
          FROM notifier.webhook_deliveries AS d
         WHERE d.tenant_id = $1 AND d.endpoint_id = $2
           AND ($3::text IS NULL OR d.state = $3) AND ($4::uuid IS NULL OR d.delivery_id < $4)
         ORDER BY d.delivery_id DESC
         LIMIT $5
        """,  # noqa: S608 - constant columns
        tenant_id,
        endpoint_id,
        state.value if state else None,
        before,
        limit,
    )
    return [_view(row) for row in rows]


def _view(row: Record) -> WebhookDeliveryView:
    return WebhookDeliveryView.model_validate(dict(row))
