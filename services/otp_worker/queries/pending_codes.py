"""Codes that were shown before the first factor is active: at most one set an account, good for nothing yet."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSet:
    """A set that waits for its factor until `pending_until`; `acknowledged_at` None: nobody said that it is saved."""

    set_id: UUID
    made_at: dt.datetime
    pending_until: dt.datetime
    acknowledged_at: dt.datetime | None
    codes: int
    keys: int


async def find_pending_set(conn: Connection, tenant_id: UUID, account_id: str, *, at: dt.datetime) -> PendingSet | None:
    """The set that still waits at ``at``, tenant time."""
    row = await conn.fetchrow(
        """
        SELECT set_id, min(created_at) AS made_at, min(pending_until) AS pending_until,
               min(acknowledged_at) AS acknowledged_at,
               (count(*) FILTER (WHERE kind = 'backup_code'))::int AS codes,
               (count(*) FILTER (WHERE kind = 'recovery_key'))::int AS keys
          FROM otp.backup_codes
         WHERE tenant_id = $1 AND account_id = $2 AND pending_until > $3 AND voided_at IS NULL
         GROUP BY set_id
        """,
        tenant_id,
        account_id,
        at,
    )
    return None if row is None else PendingSet(**dict(row))


async def acknowledge_pending_set(
    conn: Connection, tenant_id: UUID, account_id: str, set_id: UUID, *, at: dt.datetime
) -> None:
    """The person has saved the set; the first time counts."""
    await conn.execute(
        """
        UPDATE otp.backup_codes SET acknowledged_at = coalesce(acknowledged_at, $4)
         WHERE tenant_id = $1 AND account_id = $2 AND set_id = $3 AND pending_until IS NOT NULL
        """,
        tenant_id,
        account_id,
        set_id,
        at,
    )


async def activate_pending_set(conn: Connection, tenant_id: UUID, account_id: str, set_id: UUID) -> int:
    """The factor is there: from now on its codes are good. Returns how many."""
    status = await conn.execute(
        """
        UPDATE otp.backup_codes SET pending_until = NULL
         WHERE tenant_id = $1 AND account_id = $2 AND set_id = $3 AND pending_until IS NOT NULL AND voided_at IS NULL
        """,
        tenant_id,
        account_id,
        set_id,
    )
    return int(status.split()[-1])


async def void_pending_codes(conn: Connection, tenant_id: UUID, account_id: str, *, at: dt.datetime) -> None:
    """End the set that waits; what is good stays as it is."""
    await conn.execute(
        """
        UPDATE otp.backup_codes SET voided_at = $3
         WHERE tenant_id = $1 AND account_id = $2 AND pending_until IS NOT NULL AND voided_at IS NULL
        """,
        tenant_id,
        account_id,
        at,
    )


async def void_abandoned_codes(conn: Connection, *, limit: int) -> int:
    """End up to ``limit`` codes whose enrolment was not finished in time; there are few that wait. Returns how many."""
    status = await conn.execute(
        """
        WITH due AS (
          SELECT b.tenant_id, b.account_id, b.code_id, now() + coalesce(k.clock_offset, interval '0') AS at
            FROM otp.backup_codes AS b LEFT JOIN policy.clocks AS k ON k.tenant_id = b.tenant_id
           WHERE b.pending_until IS NOT NULL AND b.voided_at IS NULL
             AND b.pending_until <= now() + coalesce(k.clock_offset, interval '0')
           LIMIT $1
             FOR NO KEY UPDATE OF b SKIP LOCKED
        )
        UPDATE otp.backup_codes AS b SET voided_at = due.at
          FROM due
         WHERE b.tenant_id = due.tenant_id AND b.account_id = due.account_id AND b.code_id = due.code_id
           AND b.pending_until IS NOT NULL
        """,
        limit,
    )
    return int(status.split()[-1])
