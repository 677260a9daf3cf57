"""The codes by which helpdesks redeem challenges. Their minute is system time: no sandbox's clock makes it longer."""

import datetime as dt
from uuid import UUID

from services.otp_worker.domain.challenge import LIFETIME
from shared.contracts.types import ChallengeId
from shared.db.connection import Connection

REDEEMABLE_FOR = dt.timedelta(seconds=60)


async def hold_challenge(
    conn: Connection, tenant_id: UUID, challenge_id: ChallengeId, digest: bytes, *, trusts_device: str | None
) -> None:
    """A challenge verified in this transaction waits for its code. ``trusts_device``: the browser's name.

    An enrolment's is verified twice, by its mailbox and by the new factor: both times in the same browser.
    """
    await conn.execute(
        """
        UPDATE otp.challenges SET redeem_digest = $3, redeemable_until = now() + $4::interval, trusts_device = $5
         WHERE tenant_id = $1 AND challenge_id = $2 AND state = 'verified'
           AND (redeem_digest IS NULL OR redeem_digest = $3)
        """,
        tenant_id,
        challenge_id,
        digest,
        REDEEMABLE_FOR,
        trusts_device,
    )


async def renew_redemption(conn: Connection, tenant_id: UUID, challenge_id: ChallengeId, digest: bytes) -> bool:
    """Another minute for the code of this digest, within ten of the success; False: it is not of this challenge, the
    challenge was redeemed, it is too long ago, or only the mailbox was proved.
    """
    return (
        await conn.fetchval(
            """
            UPDATE otp.challenges SET redeemable_until = now() + $4::interval
             WHERE tenant_id = $1 AND challenge_id = $2 AND state = 'verified' AND redeem_digest = $3
               AND verified_by <> 'mailbox' AND verified_at > policy.tenant_now($1) - $5::interval
            RETURNING true
            """,
            tenant_id,
            challenge_id,
            digest,
            REDEEMABLE_FOR,
            LIFETIME,
        )
        is True
    )


async def is_passed_by(conn: Connection, tenant_id: UUID, challenge_id: ChallengeId, digest: bytes) -> bool:
    """Whether the browser of this digest passed the challenge, or proved its mailbox."""
    return (
        await conn.fetchval(
            """
            SELECT true FROM otp.challenges
             WHERE tenant_id = $1 AND challenge_id = $2 AND verified_by IS NOT NULL AND redeem_digest = $3
            """,
            tenant_id,
            challenge_id,
            digest,
        )
        is True
    )


async def redeem_challenge(
    conn: Connection, tenant_id: UUID, challenge_id: ChallengeId, digest: bytes
) -> tuple[bool, str | None]:
    """``verified → redeemed``, once, by the code of this digest; and the browser that is to be trusted."""
    row = await conn.fetchrow(
        """
        UPDATE otp.challenges SET state = 'redeemed'
         WHERE tenant_id = $1 AND challenge_id = $2 AND state = 'verified' AND redeem_digest = $3
           AND redeemable_until > now()
        RETURNING trusts_device
        """,
        tenant_id,
        challenge_id,
        digest,
    )
    return row is not None, row["trusts_device"] if row is not None else None
