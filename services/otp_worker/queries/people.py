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
from services.otp_worker.queries.accounts import COLUMNS, LIVING, SOURCES, WANTED, Key, accounts_of
from services.otp_worker.queries.backup_codes import COUNTED, codes_left
from services.otp_worker.queries.challenges import COLUMNS as CHALLENGE
from services.otp_worker.queries.challenges import STORED, ChallengeKey, challenge
from services.otp_worker.queries.factors import factor
from shared.contracts.types import ChallengeId
from shared.db.connection import Connection, Record

_FACTOR = """
               own.factor_id, own.type, own.state, own.name, own.seed, own.last_step, own.burnt_steps,
               own.contact_sealed, own.contact_masked, own.contact_digest, own.created_at, own.expires_at,
               own.confirmed_at, own.last_used_at
"""
_FACTORS = """
          LEFT JOIN LATERAL (
               SELECT factor_id, type, state, name, seed, last_step, burnt_steps, contact_sealed, contact_masked,
                      contact_digest, created_at, expires_at, confirmed_at, last_used_at
                 FROM otp.factors AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND own.state IN ('pending', 'active', 'suspended') OFFSET 0) AS own ON true
"""


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
        f"SELECT {COLUMNS}, {_FACTOR} FROM {WANTED} {SOURCES} {_FACTORS} WHERE {LIVING}",  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return accounts_of(_one_each(rows).values()), _factors_of(rows)


async def load_visitors(conn: Connection, keys: Sequence[Key]) -> Visitors:
    """As `load_people`, with the open challenges and the codes that could be typed in place of a factor's."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS}, {_FACTOR}, {CHALLENGE}, codes.backup_codes, codes.has_recovery_key
          FROM {WANTED} {SOURCES} {_FACTORS}
          LEFT JOIN LATERAL (
               SELECT {STORED} FROM otp.challenges AS c
                WHERE c.tenant_id = wanted.tenant_id AND c.account_id = wanted.account_id AND c.state = 'open' OFFSET 0
               ) AS c ON true
         CROSS JOIN LATERAL ({COUNTED}) AS codes
         WHERE {LIVING}
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
        SELECT {COLUMNS}, {_FACTOR}, {CHALLENGE}
          FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS wanted (tenant_id, account_id, challenge_id)
         CROSS JOIN LATERAL (
               SELECT {STORED} FROM otp.challenges AS c
                WHERE c.tenant_id = wanted.tenant_id AND c.challenge_id = wanted.challenge_id OFFSET 0
                  FOR NO KEY UPDATE
               ) AS c
          {SOURCES} {_FACTORS}
         WHERE {LIVING}
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
