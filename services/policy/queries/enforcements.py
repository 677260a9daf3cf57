"""What was given, said and granted to accounts about the requirement of a second factor."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from services.policy.domain.individual import Individual
from shared.db.connection import Connection


async def record_announcements(
    conn: Connection, tenant_id: UUID, told: Sequence[tuple[str, dt.datetime | None]], now: dt.datetime
) -> None:
    """These accounts were told of the requirement and of these deadlines: whoever was locked out is not any more."""
    await conn.execute(
        """
        INSERT INTO policy.enforcements AS e (tenant_id, account_id, announced_at, announced_deadline)
        SELECT $1, t.account_id, $4, t.deadline
          FROM unnest($2::text[], $3::timestamptz[]) AS t (account_id, deadline) ORDER BY t.account_id
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET announced_at = excluded.announced_at, announced_deadline = excluded.announced_deadline,
               locked_out_at = NULL
        """,
        tenant_id,
        [account_id for account_id, _ in told],
        [deadline for _, deadline in told],
        now,
    )


async def forget_announcements(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> None:
    """Nothing is required of these accounts any more, or they have done it: the next time they are told again."""
    await conn.execute(
        """
        UPDATE policy.enforcements SET announced_at = NULL, announced_deadline = NULL, locked_out_at = NULL
         WHERE tenant_id = $1 AND account_id = ANY ($2::text[])
           AND (announced_at IS NOT NULL OR locked_out_at IS NOT NULL)
        """,
        tenant_id,
        list(account_ids),
    )


async def record_locks(conn: Connection, tenant_id: UUID, account_ids: Sequence[str], now: dt.datetime) -> list[str]:
    """The locks of these accounts, none of them named twice, are announced: of which they were not at this moment."""
    rows = await conn.fetch(
        """
        INSERT INTO policy.enforcements AS e (tenant_id, account_id, locked_out_at)
        SELECT $1, wanted.account_id, $3 FROM unnest($2::text[]) AS wanted (account_id) ORDER BY wanted.account_id
            ON CONFLICT (tenant_id, account_id) DO UPDATE SET locked_out_at = excluded.locked_out_at
         WHERE e.locked_out_at IS NULL OR e.locked_out_at < excluded.locked_out_at
        RETURNING e.account_id
        """,
        tenant_id,
        list(account_ids),
        now,
    )
    return [row["account_id"] for row in rows]


async def extend(conn: Connection, tenant_id: UUID, account_id: str, until: dt.datetime, now: dt.datetime) -> None:
    """An admin opens the account until then; it is told so in the notice of the unlock."""
    await conn.execute(
        """
        INSERT INTO policy.enforcements AS e
               (tenant_id, account_id, extended_until, announced_at, announced_deadline) VALUES ($1, $2, $3, $4, $3)
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET extended_until = excluded.extended_until, announced_at = excluded.announced_at,
               announced_deadline = excluded.announced_deadline, locked_out_at = NULL
        """,
        tenant_id,
        account_id,
        until,
        now,
    )


async def store_individual(conn: Connection, tenant_id: UUID, account_id: str, individual: Individual) -> None:
    """What is asked of or granted to this account alone."""
    await conn.execute(
        """
        INSERT INTO policy.enforcements AS e
               (tenant_id, account_id, is_required, required_since, exempt_until, extended_until, required_until,
                was_overdue, resumed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET is_required = excluded.is_required, required_since = excluded.required_since,
               exempt_until = excluded.exempt_until, extended_until = excluded.extended_until,
               required_until = excluded.required_until, was_overdue = excluded.was_overdue,
               resumed_at = excluded.resumed_at
        """,
        tenant_id,
        account_id,
        individual.is_required,
        individual.required_since,
        individual.exempt_until,
        individual.extended_until,
        individual.required_until,
        individual.was_overdue,
        individual.resumed_at,
    )


async def require_enrolment(conn: Connection, tenant_id: UUID, account_id: str, now: dt.datetime) -> None:
    """After a recovery: where a factor is required, the next login enrols one."""
    await conn.execute(
        """
        INSERT INTO policy.enforcements AS e (tenant_id, account_id, must_enrol_since) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET must_enrol_since = excluded.must_enrol_since, extended_until = NULL
        """,
        tenant_id,
        account_id,
        now,
    )
