"""Recovery requests. Each transition is a compare-and-set: no row is a no-op or a race that somebody else won."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from services.policy.domain.recovery_request import RecoveryRequest
from shared.contracts.types import ChallengeId, RecoveryId, RecoveryState
from shared.db.account_lock import Account
from shared.db.connection import Connection, Record


async def insert_request(
    conn: Connection, tenant_id: UUID, request: RecoveryRequest, context: dict[str, object]
) -> None:
    """A new draft. `UniqueViolation`: the account has an open one, which its lock should have shown."""
    await conn.execute(
        """
        INSERT INTO policy.recovery_requests
               (tenant_id, recovery_id, account_id, state, challenge_id, challenge_opened_at, mailbox_masked,
                requested_at, draft_until, context)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        tenant_id,
        request.recovery_id,
        request.account_id,
        request.state.value,
        request.challenge_id,
        request.challenge_opened_at,
        request.mailbox_masked,
        request.requested_at,
        request.draft_until,
        context,
    )


async def find_request(conn: Connection, tenant_id: UUID, recovery_id: RecoveryId) -> RecoveryRequest | None:
    """By its id."""
    row = await conn.fetchrow(
        """
        SELECT recovery_id, account_id, state, challenge_id, challenge_opened_at, mailbox_masked, requested_at,
               draft_until, proved_at, ready_at, heard_at, delays, executing_at, ended_at, end_reason
          FROM policy.recovery_requests WHERE tenant_id = $1 AND recovery_id = $2
        """,
        tenant_id,
        recovery_id,
    )
    return _request(row) if row else None


async def requests_since(
    conn: Connection, tenant_id: UUID, account_id: str, since: dt.datetime
) -> list[RecoveryRequest]:
    """The account's requests since then, newest first, and the newest of all in any case."""
    rows = await conn.fetch(
        """
        SELECT recovery_id, account_id, state, challenge_id, challenge_opened_at, mailbox_masked, requested_at,
               draft_until, proved_at, ready_at, heard_at, delays, executing_at, ended_at, end_reason
          FROM policy.recovery_requests
         WHERE tenant_id = $1 AND account_id = $2
           AND requested_at >= least($3, (SELECT newest.requested_at FROM policy.recovery_requests AS newest
                                           WHERE newest.tenant_id = $1 AND newest.account_id = $2
                                           ORDER BY newest.requested_at DESC LIMIT 1))
         ORDER BY requested_at DESC, recovery_id DESC
        """,
        tenant_id,
        account_id,
        since,
    )
    return [_request(row) for row in rows]


async def open_request(conn: Connection, tenant_id: UUID, account_id: str) -> RecoveryRequest | None:
    """The account's open request."""
    row = await conn.fetchrow(
        """
        SELECT recovery_id, account_id, state, challenge_id, challenge_opened_at, mailbox_masked, requested_at,
               draft_until, proved_at, ready_at, heard_at, delays, executing_at, ended_at, end_reason
          FROM policy.recovery_requests
         WHERE tenant_id = $1 AND account_id = $2 AND state IN ('draft', 'waiting')
        """,
        tenant_id,
        account_id,
    )
    return _request(row) if row else None


async def accounts_in_recovery(conn: Connection, accounts: Collection[Account]) -> set[Account]:
    """Those of these accounts that have an open request; each found by its key (``OFFSET 0``)."""
    rows = await conn.fetch(
        """
        SELECT own.tenant_id, own.account_id
          FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)
         CROSS JOIN LATERAL (
               SELECT r.tenant_id, r.account_id
                 FROM policy.recovery_requests AS r
                WHERE r.tenant_id = wanted.tenant_id AND r.account_id = wanted.account_id
                  AND r.state IN ('draft', 'waiting') OFFSET 0) AS own
        """,
        [tenant_id for tenant_id, _ in accounts],
        [account_id for _, account_id in accounts],
    )
    return {(row["tenant_id"], row["account_id"]) for row in rows}


async def replace_challenge(
    conn: Connection,
    tenant_id: UUID,
    recovery_id: RecoveryId,
    *,
    challenge_id: ChallengeId,
    mailbox: str,
    now: dt.datetime,
) -> None:
    """The draft is proved by another challenge: the one before has expired."""
    await conn.execute(
        """
        UPDATE policy.recovery_requests SET challenge_id = $3, challenge_opened_at = $4, mailbox_masked = $5
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'draft'
        """,
        tenant_id,
        recovery_id,
        challenge_id,
        now,
        mailbox,
    )


async def start_waiting(
    conn: Connection, tenant_id: UUID, recovery_id: RecoveryId, *, proved_at: dt.datetime, ready_at: dt.datetime
) -> bool:
    """``draft → waiting``."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET state = 'waiting', proved_at = $3, ready_at = $4
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'draft' AND draft_until > $3
        """,
        tenant_id,
        recovery_id,
        proved_at,
        ready_at,
    )
    return status != "UPDATE 0"


async def put_off(
    conn: Connection, tenant_id: UUID, recovery_id: RecoveryId, *, ready_at: dt.datetime, delays: int
) -> bool:
    """``waiting → waiting`` until later; never earlier."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET ready_at = $3, delays = $4
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'waiting' AND executing_at IS NULL AND ready_at < $3
        """,
        tenant_id,
        recovery_id,
        ready_at,
        delays,
    )
    return status != "UPDATE 0"


async def record_heard(conn: Connection, tenant_id: UUID, recovery_id: RecoveryId, at: dt.datetime) -> None:
    """A notice of the waiting request was taken by a provider, for somewhere else than its mailbox."""
    await conn.execute(
        """
        UPDATE policy.recovery_requests SET heard_at = $3
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'waiting' AND heard_at IS NULL
        """,
        tenant_id,
        recovery_id,
        at,
    )


async def start_executing(conn: Connection, tenant_id: UUID, recovery_id: RecoveryId, now: dt.datetime) -> bool:
    """The waiting period is over: from here nobody can cancel. False: somebody did, or it is not over."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET executing_at = $3
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'waiting' AND executing_at IS NULL AND ready_at <= $3
        """,
        tenant_id,
        recovery_id,
        now,
    )
    return status != "UPDATE 0"


async def conclude_request(
    conn: Connection,
    tenant_id: UUID,
    recovery_id: RecoveryId,
    state: RecoveryState,
    reason: str | None,
    now: dt.datetime,
) -> bool:
    """What became of a request that was handed to otp_worker."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET state = $3, ended_at = $5, end_reason = $4
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'waiting' AND executing_at IS NOT NULL
        """,
        tenant_id,
        recovery_id,
        state.value,
        reason,
        now,
    )
    return status != "UPDATE 0"


async def end_request(
    conn: Connection,
    tenant_id: UUID,
    recovery_id: RecoveryId,
    state: RecoveryState,
    reason: str | None,
    now: dt.datetime,
) -> bool:
    """``draft | waiting → cancelled | denied | expired | superseded``, unless somebody is executing it."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET state = $3, ended_at = $5, end_reason = $4
         WHERE tenant_id = $1 AND recovery_id = $2 AND state IN ('draft', 'waiting') AND executing_at IS NULL
        """,
        tenant_id,
        recovery_id,
        state.value,
        reason,
        now,
    )
    return status != "UPDATE 0"


async def record_attack(conn: Connection, tenant_id: UUID, recovery_id: RecoveryId) -> bool:
    """The owner says of a cancelled request that it was somebody else's; False: that was known."""
    status = await conn.execute(
        """
        UPDATE policy.recovery_requests SET end_reason = 'attack'
         WHERE tenant_id = $1 AND recovery_id = $2 AND state = 'cancelled' AND end_reason IS DISTINCT FROM 'attack'
        """,
        tenant_id,
        recovery_id,
    )
    return status != "UPDATE 0"


def _request(row: Record) -> RecoveryRequest:
    return RecoveryRequest(**dict(row) | {"state": RecoveryState(row["state"])})
