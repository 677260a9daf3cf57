"""Webhook endpoints: made and changed by requests, set back and disabled by outcomes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.notifier.domain.webhook import SECRET_OVERLAP
from shared.db.connection import Connection, Record

_COLUMNS = """
    tenant_id, endpoint_id, url, description, events, disabled_at, disabled_reason, failing_since, missed, created_at,
    CASE WHEN previous_until > now() THEN previous_until END AS previous_until
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """An endpoint without its secrets; `url` is sealed."""

    tenant_id: UUID
    endpoint_id: UUID
    url: str = field(repr=False)
    description: str
    events: Sequence[str]
    disabled_at: dt.datetime | None
    disabled_reason: str | None
    failing_since: dt.datetime | None
    missed: int
    created_at: dt.datetime
    previous_until: dt.datetime | None


async def lock_endpoints(conn: Connection, tenant_id: UUID) -> None:
    """Wait for whoever makes an endpoint for this tenant, so that the most there may be is the most there are."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':webhook_endpoints', 1))", tenant_id)


async def insert_endpoint(
    conn: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    url: str,
    description: str,
    events: Sequence[str],
    secret: str,
) -> EndpointRow:
    """A new endpoint; `url` and `secret` are sealed."""
    row = await conn.fetchrow(
        f"""
        INSERT INTO notifier.webhook_endpoints (tenant_id, endpoint_id, url, description, events, secret)
        VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        tenant_id,
        endpoint_id,
        url,
        description,
        list(events),
        secret,
    )
    assert row is not None
    return _endpoint(row)


async def endpoints_of(conn: Connection, tenant_id: UUID) -> list[EndpointRow]:
    """All endpoints of a tenant, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM notifier.webhook_endpoints WHERE tenant_id = $1 ORDER BY endpoint_id",  # noqa: S608
        tenant_id,
    )
    return [_endpoint(row) for row in rows]


async def endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> EndpointRow | None:
    """One endpoint."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM notifier.webhook_endpoints WHERE tenant_id = $1 AND endpoint_id = $2",  # noqa: S608
        tenant_id,
        endpoint_id,
    )
    return _endpoint(row) if row else None


async def change_endpoint(
    conn: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    url: str | None,
    description: str | None,
    events: Sequence[str] | None,
) -> EndpointRow | None:
    """Change what is not None. Another address has no failures and no pause yet."""
    row = await conn.fetchrow(
        f"""
        UPDATE notifier.webhook_endpoints
           SET url = coalesce($3, url), description = coalesce($4, description), events = coalesce($5::text[], events),
               failing_since = CASE WHEN $3::text IS NULL THEN failing_since END,
               paused_until = CASE WHEN $3::text IS NULL THEN paused_until END
         WHERE tenant_id = $1 AND endpoint_id = $2
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        tenant_id,
        endpoint_id,
        url,
        description,
        None if events is None else list(events),
    )
    return _endpoint(row) if row else None


async def enable_endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> bool:
    """Send to it again; False when that was so already."""
    return bool(
        await conn.fetchval(
            """
            UPDATE notifier.webhook_endpoints
               SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, paused_until = NULL, missed = 0
             WHERE tenant_id = $1 AND endpoint_id = $2 AND disabled_at IS NOT NULL
            RETURNING true
            """,
            tenant_id,
            endpoint_id,
        )
    )


async def disable_endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, reason: str) -> bool:
    """Send nothing more to it; False when that was so already."""
    return bool(
        await conn.fetchval(
            """
            UPDATE notifier.webhook_endpoints
               SET disabled_at = now(), disabled_reason = $3
             WHERE tenant_id = $1 AND endpoint_id = $2 AND disabled_at IS NULL
            RETURNING true
            """,
            tenant_id,
            endpoint_id,
            reason,
        )
    )


async def delete_endpoint(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> bool:
    """Forget it and its secrets; False when there is none."""
    return bool(
        await conn.fetchval(
            "DELETE FROM notifier.webhook_endpoints WHERE tenant_id = $1 AND endpoint_id = $2 RETURNING true",
            tenant_id,
            endpoint_id,
        )
    )


async def rotate_secret(conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, secret: str) -> EndpointRow | None:
    """A new sealed secret; the one before stays for a day, the one before that goes."""
    row = await conn.fetchrow(
        f"""
        UPDATE notifier.webhook_endpoints
           SET previous_secret = secret, previous_until = now() + $4::interval, secret = $3
         WHERE tenant_id = $1 AND endpoint_id = $2
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        tenant_id,
        endpoint_id,
        secret,
        SECRET_OVERLAP,
    )
    return _endpoint(row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How an endpoint stands after a failure."""

    is_enabled: bool
    failing_for: dt.timedelta


async def record_failing(
    conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, pause: dt.timedelta | None
) -> Failing | None:
    """It failed, for the first time or again; None when it was deleted meanwhile."""
    row = await conn.fetchrow(
        """
        UPDATE notifier.webhook_endpoints
           SET failing_since = coalesce(failing_since, now()),
               paused_until = greatest(paused_until, now() + $3::interval)
         WHERE tenant_id = $1 AND endpoint_id = $2
        RETURNING disabled_at IS NULL AS is_enabled, now() - failing_since AS failing_for
        """,
        tenant_id,
        endpoint_id,
        pause,
    )
    return Failing(**dict(row)) if row else None


async def record_working(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Something got through."""
    await conn.execute(
        """
        UPDATE notifier.webhook_endpoints SET failing_since = NULL
         WHERE tenant_id = $1 AND endpoint_id = $2 AND failing_since IS NOT NULL
        """,
        tenant_id,
        endpoint_id,
    )


def _endpoint(row: Record) -> EndpointRow:
    return EndpointRow(**dict(row))
