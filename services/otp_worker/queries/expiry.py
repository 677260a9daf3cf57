"""What is over: challenges and pending factors, by the tenant's time. Any number of replicas, nothing twice."""

import datetime as dt

from services.otp_worker.domain.expiry import ExpiredChallenge, ExpiredFactor
from shared.contracts.types import ChallengeId, FactorId, FactorType, Purpose
from shared.db.connection import Connection
from shared.db.low_water import EVERYTHING


async def expire_challenges(
    conn: Connection, *, limit: int, is_moved: bool, reach: dt.timedelta = EVERYTHING
) -> list[ExpiredChallenge]:
    """End up to ``limit`` open challenges whose time is over.

    By the system's clock, which is every tenant's earliest and finds them by index; ``is_moved``: by the clocks of the
    sandbox tenants that were moved, of which there are few: each one's are found by the index of accounts, for the
    one by time holds everybody's. What a handler is just judging is skipped. ``reach``: what was over longer ago is
    left.
    """
    rows = await conn.fetch(
        f"""
        WITH due AS (
          {_MOVED_CHALLENGES if is_moved else _DUE_CHALLENGES}
        )
        UPDATE otp.challenges AS c SET state = 'expired', ended_at = due.at
          FROM due
         WHERE c.tenant_id = ANY (ARRAY[due.tenant_id]) AND c.challenge_id = due.challenge_id AND c.state = 'open'
        RETURNING c.tenant_id, c.account_id, c.challenge_id, c.purpose, due.at, due.at - c.expires_at AS waited
        """,  # noqa: S608 - two constants
        limit,
        reach,
    )
    return [
        ExpiredChallenge(
            tenant_id=row["tenant_id"],
            account_id=row["account_id"],
            challenge_id=ChallengeId(row["challenge_id"]),
            purpose=Purpose(row["purpose"]),
            at=row["at"],
            waited=row["waited"],
        )
        for row in rows
    ]


async def expire_factors(
    conn: Connection, *, limit: int, is_moved: bool, reach: dt.timedelta = EVERYTHING
) -> list[ExpiredFactor]:
    """End up to ``limit`` pending factors that nobody proved in time, and erase their seeds."""
    rows = await conn.fetch(
        f"""
        WITH due AS (
          {_MOVED_FACTORS if is_moved else _DUE_FACTORS}
        )
        UPDATE otp.factors AS f SET state = 'expired', ended_at = due.at, seed = NULL, expires_at = NULL
          FROM due WHERE f.tenant_id = due.tenant_id AND f.factor_id = due.factor_id AND f.state = 'pending'
        RETURNING f.tenant_id, f.account_id, f.factor_id, f.type, due.at, due.at - due.expires_at AS waited
        """,  # noqa: S608 - two constants
        limit,
        reach,
    )
    return [
        ExpiredFactor(
            tenant_id=row["tenant_id"],
            account_id=row["account_id"],
            factor_id=FactorId(row["factor_id"]),
            factor_type=FactorType(row["type"]),
            at=row["at"],
            waited=row["waited"],
        )
        for row in rows
    ]


_DUE_CHALLENGES = """
          SELECT c.tenant_id, c.challenge_id, now() + coalesce(k.clock_offset, interval '0') AS at
            FROM otp.challenges AS c LEFT JOIN policy.clocks AS k ON k.tenant_id = c.tenant_id
           WHERE c.state = 'open' AND c.expires_at BETWEEN now() - $2::interval AND now()
           ORDER BY c.expires_at LIMIT $1
             FOR NO KEY UPDATE OF c SKIP LOCKED
"""
_MOVED_CHALLENGES = """
          SELECT c.tenant_id, c.challenge_id, now() + k.clock_offset AS at
            FROM policy.clocks AS k
           CROSS JOIN LATERAL (
                 SELECT tenant_id, challenge_id FROM otp.challenges AS own
                  WHERE own.tenant_id = k.tenant_id AND own.state = 'open' AND own.account_id > ''
                    AND own.expires_at - k.clock_offset BETWEEN now() - $2::interval AND now()
                    FOR NO KEY UPDATE SKIP LOCKED) AS c
           WHERE k.clock_offset > interval '0'
           LIMIT $1
"""
_DUE_FACTORS = """
          SELECT f.tenant_id, f.factor_id, f.expires_at, now() + coalesce(k.clock_offset, interval '0') AS at
            FROM otp.factors AS f LEFT JOIN policy.clocks AS k ON k.tenant_id = f.tenant_id
           WHERE f.state = 'pending' AND f.expires_at BETWEEN now() - $2::interval AND now()
           ORDER BY f.expires_at LIMIT $1
             FOR NO KEY UPDATE OF f SKIP LOCKED
"""
_MOVED_FACTORS = """
          SELECT f.tenant_id, f.factor_id, f.expires_at, now() + k.clock_offset AS at
            FROM policy.clocks AS k
           CROSS JOIN LATERAL (
                 SELECT tenant_id, factor_id, expires_at FROM otp.factors AS own
                  WHERE own.tenant_id = k.tenant_id AND own.state = 'pending' AND own.account_id > ''
                    AND own.expires_at - k.clock_offset BETWEEN now() - $2::interval AND now()
                    FOR NO KEY UPDATE SKIP LOCKED) AS f
           WHERE k.clock_offset > interval '0'
           LIMIT $1
"""
