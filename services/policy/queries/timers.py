"""Timers: armed, cancelled and moved in the transaction of what they are about; claimed by whoever is free."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.policy.domain.timer import Timer
from shared.contracts.envelope import Envelope, Message
from shared.db.connection import Connection
from shared.db.low_water import EVERYTHING
from shared.ids import new_id


class FiredTimer(NamedTuple):
    """A timer whose time has come: what to say, as JSON, and what it follows from. Made in the order of the columns."""

    timer_id: UUID
    tenant_id: UUID
    account_id: str | None
    kind: str
    payload: str
    correlation_id: UUID
    causation_id: UUID
    due_at: dt.datetime
    fired_at: dt.datetime
    tenant_now: dt.datetime


async def arm_timers(conn: Connection, cause: Envelope[Message], timers: Sequence[Timer]) -> None:
    """Store timers, due by system time, in place of pending ones of the same kind and subject.

    Call `hold_clock` before: it keeps the offset that is read here true.
    """
    if not timers:
        return
    ordered = sorted(timers, key=lambda timer: (timer.subject, timer.command.type))  # two at once cannot deadlock
    await conn.execute(
        """
        INSERT INTO policy.timers
               (timer_id, tenant_id, account_id, subject, kind, payload, correlation_id, causation_id, due_at)
        SELECT t.timer_id, $1, t.account_id, t.subject, t.kind, t.payload, $2, $3,
               t.at - (policy.tenant_now($1) - now())
          FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::timestamptz[])
               AS t (timer_id, account_id, subject, kind, payload, at)
            ON CONFLICT (tenant_id, subject, kind) WHERE state = 'pending'
            DO UPDATE SET payload = excluded.payload, correlation_id = excluded.correlation_id,
                          causation_id = excluded.causation_id, due_at = excluded.due_at, armed_at = now()
        """,
        cause.tenant_id,
        cause.correlation_id,
        cause.id,
        [new_id() for _ in ordered],
        [timer.account_id for timer in ordered],
        [timer.subject for timer in ordered],
        [timer.command.type for timer in ordered],
        [timer.command.model_dump(mode="json", exclude_none=True) for timer in ordered],
        [timer.at for timer in ordered],
    )


async def cancel_timers(conn: Connection, tenant_id: UUID, subjects: Sequence[str]) -> int:
    """End the pending timers of these subjects; how many. The row's lock decides between this and a firing."""
    status = await conn.execute(
        """
        UPDATE policy.timers SET state = 'cancelled', ended_at = now()
         WHERE tenant_id = $1 AND subject = ANY ($2::text[]) AND state = 'pending'
        """,
        tenant_id,
        list(subjects),
    )
    return int(status.split()[-1])


async def shift_timers(conn: Connection, tenant_id: UUID, by: dt.timedelta) -> None:
    """Make a tenant's pending timers due earlier: its clock went forward."""
    await conn.execute(
        "UPDATE policy.timers SET due_at = due_at - $2::interval WHERE tenant_id = $1 AND state = 'pending'",
        tenant_id,
        by,
    )


async def claim_due_timers(
    conn: Connection, *, host_now: dt.datetime, at_most: int, reach: dt.timedelta = EVERYTHING
) -> list[FiredTimer]:
    """End timers that are due by the database's clock and by ``host_now``: the earliest of every tenant's, one tenant's
    after the other's.

    ``reach``: those that were due longer ago are left.
    """
    rows = await conn.fetch(
        """
        SELECT timer_id, tenant_id, account_id, kind, payload::text, correlation_id, causation_id, due_at, fired_at,
               tenant_now
          FROM policy.claim_timers_since($1, $2, $3)
        """,
        host_now,
        at_most,
        reach,
    )
    return [FiredTimer(*row) for row in rows]


async def seconds_to_next_timer(
    conn: Connection, *, host_now: dt.datetime, reach: dt.timedelta = EVERYTHING
) -> float | None:
    """Until the next timer is due by both clocks; None: there is none. Those due longer ago than ``reach`` are left."""
    seconds: float | None = await conn.fetchval(
        "SELECT extract(epoch FROM policy.next_timer_since($2) - least(now(), $1))::float8", host_now, reach
    )
    return seconds


async def delete_ended_timers(conn: Connection, *, older_than: dt.timedelta, limit: int) -> int:
    """Forget timers that ended long ago; how many."""
    status = await conn.execute(
        """
        DELETE FROM policy.timers
         WHERE timer_id = ANY (ARRAY(
                 SELECT timer_id FROM policy.timers
                  WHERE state <> 'pending' AND ended_at < now() - $1::interval LIMIT $2))
        """,
        older_than,
        limit,
    )
    return int(status.split()[-1])
