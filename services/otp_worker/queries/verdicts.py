"""What is stored of codes that were judged: three tables in one statement, one round trip for the login that waits."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from services.otp_worker.domain.account import AccountState
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.queries.accounts import Key
from shared.contracts.types import FactorId
from shared.db.connection import Connection

Judged = tuple[UUID, Challenge, dt.datetime]
"""A challenge as it is after an attempt, and when that was."""

Used = tuple[UUID, FactorId, int | None, dt.datetime]
"""A factor whose code was right, the step of a TOTP code, and when that was."""


class Stored(NamedTuple):
    """How many rows were as they had been read. Of those that are missing nothing was stored."""

    challenges: int
    factors: int


async def store_verdicts(
    conn: Connection, judged: Sequence[Judged], used: Sequence[Used], succeeded: Mapping[Key, AccountState]
) -> Stored:
    """Store attempts and verdicts of open challenges, the factors they were passed with, and what a right code changes
    about an account, where most change nothing else (else `save_accounts`).

    A TOTP step is accepted only if it is later than every one before.
    """
    keys, states = list(succeeded), list(succeeded.values())
    row = await conn.fetchrow(
        """
        WITH judged AS (
          UPDATE otp.challenges AS c
             SET state = j.state, attempts = j.attempts, is_hinted = j.is_hinted,
                 verified_at = CASE WHEN j.state = 'verified' THEN j.at END, verified_by = j.verified_by,
                 verified_factor_id = j.verified_factor_id,
                 ended_at = CASE WHEN j.state <> 'open' THEN j.at END
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::boolean[], $6::text[], $7::uuid[],
                        $8::timestamptz[])
              AS j (tenant_id, challenge_id, state, attempts, is_hinted, verified_by, verified_factor_id, at)
           WHERE c.tenant_id = ANY (ARRAY[j.tenant_id]) AND c.challenge_id = j.challenge_id AND c.state = 'open'
          RETURNING true
        ), used AS (
          UPDATE otp.factors AS f
             SET last_step = coalesce(u.step, f.last_step), last_used_at = u.at
            FROM unnest($9::uuid[], $10::uuid[], $11::bigint[], $12::timestamptz[])
              AS u (tenant_id, factor_id, step, at)
           WHERE f.tenant_id = ANY (ARRAY[u.tenant_id]) AND f.factor_id = u.factor_id AND f.state = 'active'
             AND (u.step IS NULL OR f.last_step IS NULL OR f.last_step < u.step)
          RETURNING true
        ), noted AS (
          INSERT INTO otp.accounts AS a (tenant_id, account_id, failures_in_row, throttled_until, last_success_at)
          SELECT * FROM unnest($13::uuid[], $14::text[], $15::int[], $16::timestamptz[], $17::timestamptz[])
              ON CONFLICT (tenant_id, account_id) DO UPDATE
             SET failures_in_row = excluded.failures_in_row, throttled_until = excluded.throttled_until,
                 last_success_at = excluded.last_success_at
        )
        SELECT (SELECT count(*) FROM judged) AS challenges, (SELECT count(*) FROM used) AS factors
        """,
        [tenant_id for tenant_id, _, _ in judged],
        [each.id for _, each, _ in judged],
        [each.state.value for _, each, _ in judged],
        [each.attempts for _, each, _ in judged],
        [each.is_hinted for _, each, _ in judged],
        [each.verified_by for _, each, _ in judged],
        [each.verified_factor_id for _, each, _ in judged],
        [at for _, _, at in judged],
        [tenant_id for tenant_id, _, _, _ in used],
        [factor_id for _, factor_id, _, _ in used],
        [step for _, _, step, _ in used],
        [at for _, _, _, at in used],
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
        [state.throttle.failures_in_row for state in states],
        [state.throttle.throttled_until for state in states],
        [state.last_success_at for state in states],
    )
    assert row is not None  # counts
    return Stored(row["challenges"], row["factors"])
