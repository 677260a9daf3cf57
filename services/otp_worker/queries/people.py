"""Accounts with their living factors: what nearly every decision about somebody is made of, in one round trip."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.otp_worker.domain.account import Account
from services.otp_worker.domain.factor import Factor
from services.otp_worker.queries.accounts import COLUMNS, LIVING, SOURCES, Key, accounts_of
from services.otp_worker.queries.factors import factor
from shared.db.connection import Connection, Record


async def load_people(
    conn: Connection, keys: Sequence[Key]
) -> tuple[Mapping[Key, Account], Mapping[Key, list[Factor]]]:
    """As `load_accounts` and `load_factors`: read after the accounts' locks, and whom policy does not know is missing.

    An account with several factors comes several times; nearly all have one.
    """
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS},
               own.factor_id, own.type, own.state, own.name, own.seed, own.last_step, own.burnt_steps,
               own.contact_sealed, own.contact_masked, own.contact_digest, own.created_at, own.expires_at,
               own.confirmed_at, own.last_used_at
          FROM {SOURCES}
          LEFT JOIN LATERAL (
               SELECT factor_id, type, state, name, seed, last_step, burnt_steps, contact_sealed, contact_masked,
                      contact_digest, created_at, expires_at, confirmed_at, last_used_at
                 FROM otp.factors AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND own.state IN ('pending', 'active', 'suspended') OFFSET 0) AS own ON true
         WHERE {LIVING}
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    first: dict[Key, Record] = {}
    factors: dict[Key, list[Factor]] = defaultdict(list)
    for row in rows:
        key = row["tenant_id"], row["account_id"]
        first.setdefault(key, row)
        if row["factor_id"] is not None:
            factors[key].append(factor(row))
    return accounts_of(first.values()), factors
