"""Factors. Every transition is a compare-and-set: who finds another state than it thought changes nothing."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.otp_worker.domain.factor import Enrolment, Factor
from services.otp_worker.queries.accounts import WANTED, Key, contact
from shared.contracts.types import ChallengeId, FactorId, FactorState, FactorType
from shared.db.connection import Connection, Record

LIVING_FACTORS = """
               SELECT factor_id, type, state, name, seed, last_step, burnt_steps, contact_sealed, contact_masked,
                      contact_digest, created_at, expires_at, confirmed_at, last_used_at
                 FROM otp.factors AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND own.state IN ('pending', 'active', 'suspended') OFFSET 0
"""
"""Those of the account that is ``wanted``, by its key (``OFFSET 0``): joined to a table that nobody has counted yet,
those of everybody would be read for each list."""


async def load_factors(conn: Connection, keys: Sequence[Key]) -> Mapping[Key, list[Factor]]:
    """The pending, active and suspended factors of these accounts; an account without one gives an empty list."""
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, wanted.account_id, factor.*
          FROM {WANTED} CROSS JOIN LATERAL ({LIVING_FACTORS}) AS factor
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    factors: dict[Key, list[Factor]] = defaultdict(list)
    for row in rows:
        factors[row["tenant_id"], row["account_id"]].append(factor(row))
    return factors


async def insert_factor(
    conn: Connection,
    tenant_id: UUID,
    account_id: str,
    factor: Factor,
    *,
    challenge_id: ChallengeId,
    login_challenge_id: ChallengeId | None,
    replaces: FactorId | None,
    proof_challenge_id: ChallengeId | None = None,
) -> None:
    """Store a pending factor with the challenge that confirms it."""
    await conn.execute(
        """
        INSERT INTO otp.factors (
               tenant_id, factor_id, account_id, type, state, name, seed, contact_sealed, contact_masked,
               contact_digest, challenge_id, login_challenge_id, replaces, created_at, expires_at, proof_challenge_id)
        VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        tenant_id,
        factor.id,
        account_id,
        factor.type.value,
        factor.name,
        factor.seed,
        factor.contact.sealed if factor.contact else None,
        factor.contact.masked if factor.contact else None,
        factor.contact.digest if factor.contact else None,
        challenge_id,
        login_challenge_id,
        replaces,
        factor.created_at,
        factor.expires_at,
        proof_challenge_id,
    )


async def burn_step(conn: Connection, tenant_id: UUID, factor_id: FactorId, step: int) -> None:
    """Never accept a step that a hint has named; of earlier ones those stay that could still come up."""
    await conn.execute(
        """
        UPDATE otp.factors
           SET burnt_steps = ARRAY(SELECT s FROM unnest(burnt_steps || $3::bigint) AS s WHERE s > $3::bigint - 50)
         WHERE tenant_id = $1 AND factor_id = $2
        """,
        tenant_id,
        factor_id,
        step,
    )


async def suspend_factor(conn: Connection, tenant_id: UUID, factor_id: FactorId) -> bool:
    """Stop a factor that was guessed at too often; False: it was not active."""
    return (
        await conn.fetchval(
            """
        UPDATE otp.factors SET state = 'suspended'
         WHERE tenant_id = $1 AND factor_id = $2 AND state = 'active'
        RETURNING true
        """,
            tenant_id,
            factor_id,
        )
        is True
    )


async def activate_factor(
    conn: Connection, tenant_id: UUID, factor_id: FactorId, *, step: int | None, at: dt.datetime
) -> bool:
    """The pending factor was proved; the code that proved it counts as used. False: it is not pending any more.

    The time is compared so that the index of what expires does not serve it: it holds every tenant's.
    """
    return (
        await conn.fetchval(
            """
        UPDATE otp.factors
           SET state = 'active', confirmed_at = $4, last_used_at = $4, last_step = $3, expires_at = NULL
         WHERE tenant_id = $1 AND factor_id = $2 AND state = 'pending'
           AND coalesce(expires_at, '-infinity') > $4
        RETURNING true
        """,
            tenant_id,
            factor_id,
            step,
            at,
        )
        is True
    )


async def end_factors(
    conn: Connection, tenant_id: UUID, account_id: str, factor_ids: Sequence[FactorId], *, at: dt.datetime
) -> list[FactorId]:
    """Revoke what is active or suspended, expire what is pending, erase the seeds; returns those that changed."""
    rows = await conn.fetch(
        """
        UPDATE otp.factors
           SET state = CASE state WHEN 'pending' THEN 'expired' ELSE 'revoked' END,
               seed = NULL, expires_at = NULL, ended_at = $4
         WHERE tenant_id = $1 AND account_id = $2 AND factor_id = ANY ($3::uuid[])
           AND state IN ('pending', 'active', 'suspended')
        RETURNING factor_id
        """,
        tenant_id,
        account_id,
        list(factor_ids),
        at,
    )
    return [FactorId(row["factor_id"]) for row in rows]


async def rename_factor(conn: Connection, tenant_id: UUID, account_id: str, factor_id: FactorId, name: str) -> bool:
    """Give a factor another name; False: there is none such that lives."""
    return (
        await conn.fetchval(
            """
        UPDATE otp.factors SET name = $4
         WHERE tenant_id = $1 AND account_id = $2 AND factor_id = $3 AND state IN ('pending', 'active', 'suspended')
        RETURNING true
        """,
            tenant_id,
            account_id,
            factor_id,
            name,
        )
        is True
    )


async def find_enrolment(conn: Connection, tenant_id: UUID, factor_id: FactorId) -> Enrolment | None:
    """What does not change about a factor, whatever its state."""
    row = await conn.fetchrow(
        """
        SELECT account_id, challenge_id, login_challenge_id, replaces, proof_challenge_id
          FROM otp.factors WHERE tenant_id = $1 AND factor_id = $2
        """,
        tenant_id,
        factor_id,
    )
    return None if row is None else Enrolment(**dict(row))


def factor(row: Record) -> Factor:
    """A row as a `Factor`."""
    return Factor(
        id=FactorId(row["factor_id"]),
        type=FactorType(row["type"]),
        state=FactorState(row["state"]),
        name=row["name"],
        created_at=row["created_at"],
        contact=contact(row, "contact"),
        seed=row["seed"],
        last_step=row["last_step"],
        burnt_steps=tuple(row["burnt_steps"]),
        expires_at=row["expires_at"],
        confirmed_at=row["confirmed_at"],
        last_used_at=row["last_used_at"],
    )
