"""Accounts with their living factors: what nearly every decision about somebody is made of, in one round trip.

An account with several factors, or several challenges, comes several times; nearly all have one of each.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.otp_worker.domain.account import Account
from services.otp_worker.domain.backup_code import CodesLeft
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import Factor
from services.otp_worker.queries.accounts import ACCOUNT, NOT_ERASED, SOURCES, WANTED, Key, accounts_of
from services.otp_worker.queries.backup_codes import CODES_LEFT, codes_left
from services.otp_worker.queries.challenges import LOCKED_CHALLENGE, OPEN_CHALLENGES, ChallengeKey, challenge
from services.otp_worker.queries.factors import LIVING_FACTORS, factor
from shared.contracts.types import ChallengeId
from shared.db.connection import Connection, Record


@dataclass(frozen=True, slots=True)
class Visitors:
    """Accounts that log in, and what is there for them already; whom policy does not know is missing everywhere."""

    accounts: Mapping[Key, Account]
    factors: Mapping[Key, list[Factor]]
    open_challenges: Mapping[Key, list[Challenge]]
    codes_left: Mapping[Key, CodesLeft]


async def load_people(
    conn: Connection, keys: Sequence[Key]
) -> tuple[Mapping[Key, Account], Mapping[Key, list[Factor]]]:
    """As `load_accounts` and `load_factors`: read after their locks, and whom policy does not know is missing."""
    rows = await conn.fetch(
        f"""
        SELECT {ACCOUNT}, factor.*
          FROM {WANTED} {SOURCES} LEFT JOIN LATERAL ({LIVING_FACTORS}) AS factor ON true
         WHERE {NOT_ERASED}
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return accounts_of(_one_each(rows).values()), _factors_of(rows)


async def load_visitors(conn: Connection, keys: Sequence[Key]) -> Visitors:
    """As `load_people`, with the open challenges and the codes that could be typed in place of a factor's."""
    rows = await conn.fetch(
        f"""
        SELECT {ACCOUNT}, factor.*, challenge.*, codes.backup_codes, codes.has_recovery_key
          FROM {WANTED} {SOURCES}
          LEFT JOIN LATERAL ({LIVING_FACTORS}) AS factor ON true
          LEFT JOIN LATERAL ({OPEN_CHALLENGES}) AS challenge ON true
         CROSS JOIN LATERAL ({CODES_LEFT}) AS codes
         WHERE {NOT_ERASED}
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    people = _one_each(rows)
    return Visitors(
        accounts=accounts_of(people.values()),
        factors=_factors_of(rows),
        open_challenges=_challenges_of(rows),
        codes_left={key: codes_left(row) for key, row in people.items()},
    )


async def lock_judged(
    conn: Connection, owners: Mapping[ChallengeKey, Key]
) -> tuple[Mapping[ChallengeKey, Challenge], Mapping[Key, Account], Mapping[Key, list[Factor]]]:
    """As `lock_challenges` and `load_people`; the caller holds the locks of the accounts whose challenges these are."""
    rows = await conn.fetch(
        f"""
        SELECT {ACCOUNT}, factor.*, challenge.*
          FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS wanted (tenant_id, account_id, challenge_id)
         CROSS JOIN LATERAL ({LOCKED_CHALLENGE}) AS challenge
          {SOURCES}
          LEFT JOIN LATERAL ({LIVING_FACTORS}) AS factor ON true
         WHERE {NOT_ERASED}
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in owners.values()],
        [account_id for _, account_id in owners.values()],
        [challenge_id for _, challenge_id in owners],
    )
    challenges = {
        (tenant_id, ChallengeId(each)): challenge(row)
        for (tenant_id, each), row in _by_id(rows, "challenge_id").items()
    }
    return challenges, accounts_of(_one_each(rows).values()), _factors_of(rows)


def _one_each(rows: Iterable[Record]) -> dict[Key, Record]:
    return {(row["tenant_id"], row["account_id"]): row for row in rows}


def _factors_of(rows: Iterable[Record]) -> Mapping[Key, list[Factor]]:
    found: dict[Key, list[Factor]] = defaultdict(list)
    for (tenant_id, _), row in _by_id(rows, "factor_id").items():
        found[tenant_id, row["account_id"]].append(factor(row))
    return found


def _challenges_of(rows: Iterable[Record]) -> Mapping[Key, list[Challenge]]:
    found: dict[Key, list[Challenge]] = defaultdict(list)
    for (tenant_id, _), row in _by_id(rows, "challenge_id").items():
        found[tenant_id, row["account_id"]].append(challenge(row))
    return found


def _by_id(rows: Iterable[Record], name: str) -> dict[tuple[UUID, UUID], Record]:
    return {(row["tenant_id"], row[name]): row for row in rows if row[name] is not None}
