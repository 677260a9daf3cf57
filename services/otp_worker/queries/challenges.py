"""Challenges. Every end of one is a compare-and-set on ``open``."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import PENDING_LIFETIME, STEP_UP_LIFETIME
from services.otp_worker.queries.accounts import WANTED, Key, contact
from shared.contracts.types import ChallengeId, ChallengeState, FactorId, Purpose, RecoveryId
from shared.db.account_lock import KEY_OF_ROW
from shared.db.connection import Connection, Record

ChallengeKey = tuple[UUID, ChallengeId]

_COLUMNS = """
                      challenge_id, account_id AS challenged_account, purpose, state AS challenge_state, context,
                      attempts, sends, next_send_at, sent_to, is_hinted, mailbox_sealed, mailbox_masked, mailbox_digest,
                      factor_id AS enrolled_factor_id, recovery_id AS proves_for, created_at AS challenged_at,
                      expires_at AS challenged_until, verified_at, verified_by, verified_factor_id
"""
"""Named so that a row may hold a person as well (`people`)."""
OPEN_CHALLENGES = f"""
               SELECT {_COLUMNS} FROM otp.challenges AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id AND own.state = 'open'
               OFFSET 0
"""  # noqa: S608 - a constant
"""Those of the account that is ``wanted``, by its key (``OFFSET 0``)."""
LOCKED_CHALLENGE = f"""
               SELECT {_COLUMNS} FROM otp.challenges AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.challenge_id = wanted.challenge_id OFFSET 0
                  FOR NO KEY UPDATE
"""  # noqa: S608 - a constant
"""The one that is ``wanted``, in whatever state, held until the commit, lest it expire while it is judged."""


async def lock_owner(conn: Connection, tenant_id: UUID, challenge_id: ChallengeId) -> Key | None:
    """Wait for the lock of the account whose challenge this is; that never changes, so it is found before the lock is
    ours. None: there is no such challenge.
    """
    row = await conn.fetchrow(
        f"""
        SELECT account_id, pg_advisory_xact_lock({KEY_OF_ROW}) FROM otp.challenges
         WHERE tenant_id = $1 AND challenge_id = $2
        """,  # noqa: S608 - a constant
        tenant_id,
        challenge_id,
    )
    return None if row is None else (tenant_id, row["account_id"])


async def try_lock_owners(conn: Connection, keys: Sequence[ChallengeKey]) -> dict[ChallengeKey, Key | None]:
    """Whose challenges these are, the locks of those accounts taken without waiting; None: somebody else holds it."""
    rows = await conn.fetch(
        f"""
        SELECT tenant_id, challenge_id, account_id, pg_try_advisory_xact_lock({KEY_OF_ROW}) AS is_ours
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant, challenge)
         CROSS JOIN LATERAL (
               SELECT tenant_id, challenge_id, account_id FROM otp.challenges AS own
                WHERE own.tenant_id = wanted.tenant AND own.challenge_id = wanted.challenge OFFSET 0
               ) AS c
        """,  # noqa: S608 - a constant
        [tenant_id for tenant_id, _ in keys],
        [challenge_id for _, challenge_id in keys],
    )
    return {
        (row["tenant_id"], row["challenge_id"]): (row["tenant_id"], row["account_id"]) if row["is_ours"] else None
        for row in rows
    }


async def lock_challenges(conn: Connection, keys: Sequence[ChallengeKey]) -> dict[ChallengeKey, Challenge]:
    """These challenges in whatever state, held until the commit.

    Read after the accounts' locks. Nobody waits for two of these rows: what expires challenges skips those held.
    """
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, challenge.*
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, challenge_id)
         CROSS JOIN LATERAL ({LOCKED_CHALLENGE}) AS challenge
        """,  # noqa: S608 - a constant
        [tenant_id for tenant_id, _ in keys],
        [challenge_id for _, challenge_id in keys],
    )
    return {(row["tenant_id"], row["challenge_id"]): challenge(row) for row in rows}


async def load_challenge(conn: Connection, tenant_id: UUID, challenge_id: ChallengeId) -> Challenge | None:
    """One challenge in whatever state, to be looked at."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM otp.challenges WHERE tenant_id = $1 AND challenge_id = $2",  # noqa: S608 - a constant
        tenant_id,
        challenge_id,
    )
    return None if row is None else challenge(row)


async def load_open_challenges(conn: Connection, keys: Sequence[Key]) -> Mapping[Key, list[Challenge]]:
    """The open challenges of these accounts; an account without one gives an empty list."""
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, wanted.account_id, challenge.*
          FROM {WANTED} CROSS JOIN LATERAL ({OPEN_CHALLENGES}) AS challenge
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    found: dict[Key, list[Challenge]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"], row["account_id"]].append(challenge(row))
    return found


async def insert_challenges(conn: Connection, new: Sequence[tuple[UUID, Challenge, int]]) -> None:
    """Store new challenges, each with its tenant and the account's factor epoch."""
    contacts = [each.mailbox for _, each, _ in new]
    await conn.execute(
        """
        INSERT INTO otp.challenges (
               tenant_id, challenge_id, account_id, purpose, state, context, sends, next_send_at, sent_to,
               mailbox_sealed, mailbox_masked, mailbox_digest, factor_id, recovery_id, factor_epoch, created_at,
               expires_at)
        SELECT t, c, a, purpose, 'open', context, sends, next_send_at, sent_to,
               sealed, masked, digest, factor_id, recovery_id, epoch, created_at, expires_at
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::timestamptz[],
                      $8::uuid[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::int[],
                      $15::timestamptz[], $16::timestamptz[])
            AS new (t, c, a, purpose, context, sends, next_send_at, sent_to, sealed, masked, digest, factor_id,
                    recovery_id, epoch, created_at, expires_at)
        """,
        [tenant_id for tenant_id, _, _ in new],
        [each.id for _, each, _ in new],
        [each.account_id for _, each, _ in new],
        [each.purpose.value for _, each, _ in new],
        [each.context for _, each, _ in new],
        [each.sends for _, each, _ in new],
        [each.next_send_at for _, each, _ in new],
        [each.sent_to for _, each, _ in new],
        [mailbox.sealed if mailbox else None for mailbox in contacts],
        [mailbox.masked if mailbox else None for mailbox in contacts],
        [mailbox.digest if mailbox else None for mailbox in contacts],
        [each.factor_id for _, each, _ in new],
        [each.recovery_id for _, each, _ in new],
        [epoch for _, _, epoch in new],
        [each.created_at for _, each, _ in new],
        [each.expires_at for _, each, _ in new],
    )


async def save_sends(conn: Connection, sent: Sequence[tuple[UUID, Challenge]]) -> None:
    """Note that codes were sent for open challenges; the caller holds the accounts' locks."""
    await conn.execute(
        """
        UPDATE otp.challenges AS c
           SET sends = sent.sends, next_send_at = sent.next_send_at, sent_to = sent.sent_to
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::uuid[])
            AS sent (tenant_id, challenge_id, sends, next_send_at, sent_to)
         WHERE c.tenant_id = ANY (ARRAY[sent.tenant_id]) AND c.challenge_id = sent.challenge_id AND c.state = 'open'
        """,
        [tenant_id for tenant_id, _ in sent],
        [each.id for _, each in sent],
        [each.sends for _, each in sent],
        [each.next_send_at for _, each in sent],
        [each.sent_to for _, each in sent],
    )


async def complete_login(
    conn: Connection, tenant_id: UUID, challenge_id: ChallengeId, *, method: str, factor_id: FactorId, at: dt.datetime
) -> bool:
    """A login's enrolment challenge is verified by the confirmation of the factor; False: it is over."""
    return (
        await conn.fetchval(
            """
            UPDATE otp.challenges
               SET state = 'verified', verified_at = $4, verified_by = $3, verified_factor_id = $6, ended_at = $4
             WHERE tenant_id = $1 AND challenge_id = $2 AND purpose = 'enrolment' AND factor_id IS NULL
               AND ((state = 'open' AND expires_at > $4)
                    OR (state = 'verified' AND verified_by = 'mailbox' AND verified_at > $5))
            RETURNING true
            """,
            tenant_id,
            challenge_id,
            method,
            at,
            at - STEP_UP_LIFETIME - PENDING_LIFETIME,
            factor_id,
        )
        is True
    )


async def cancel_challenges(
    conn: Connection, tenant_id: UUID, challenge_ids: Sequence[ChallengeId], *, at: dt.datetime
) -> list[tuple[ChallengeId, Purpose]]:
    """End open challenges; returns those that were open."""
    rows = await conn.fetch(
        """
        UPDATE otp.challenges SET state = 'cancelled', ended_at = $3
         WHERE tenant_id = $1 AND challenge_id = ANY ($2::uuid[]) AND state = 'open'
        RETURNING challenge_id, purpose
        """,
        tenant_id,
        list(challenge_ids),
        at,
    )
    return [(ChallengeId(row["challenge_id"]), Purpose(row["purpose"])) for row in rows]


def challenge(row: Record) -> Challenge:
    """A row as a `Challenge`."""
    return Challenge(
        id=ChallengeId(row["challenge_id"]),
        account_id=row["challenged_account"],
        purpose=Purpose(row["purpose"]),
        state=ChallengeState(row["challenge_state"]),
        context=row["context"],
        attempts=row["attempts"],
        sends=row["sends"],
        next_send_at=row["next_send_at"],
        sent_to=FactorId(row["sent_to"]) if row["sent_to"] is not None else None,
        is_hinted=row["is_hinted"],
        mailbox=contact(row, "mailbox"),
        factor_id=FactorId(row["enrolled_factor_id"]) if row["enrolled_factor_id"] is not None else None,
        recovery_id=RecoveryId(row["proves_for"]) if row["proves_for"] is not None else None,
        created_at=row["challenged_at"],
        expires_at=row["challenged_until"],
        verified_at=row["verified_at"],
        verified_by=row["verified_by"],
        verified_factor_id=FactorId(row["verified_factor_id"]) if row["verified_factor_id"] is not None else None,
    )
