"""One account under its lock: how every handler that changes an account begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import Factor
from services.otp_worker.queries.challenges import lock_challenges
from services.otp_worker.queries.people import load_people
from shared.contracts.types import ChallengeId
from shared.db.account_lock import lock_account, lock_page
from shared.messaging.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """An account and its living factors; true until the commit."""

    account: Account
    factors: Sequence[Factor]

    @property
    def held(self) -> list[Factor]:
        """Active and suspended ones."""
        return [factor for factor in self.factors if factor.is_held]


async def lock(uow: UnitOfWork, tenant_id: UUID, account_id: str | None) -> Locked | None:
    """Wait for the lock, then read; None: policy knows no such account."""
    if account_id is None:
        return None
    key = tenant_id, account_id
    await lock_account(uow.conn, *key)
    accounts, factors = await load_people(uow.conn, [key])
    return Locked(account=accounts[key], factors=factors[key]) if key in accounts else None


async def lock_several(uow: UnitOfWork, tenant_id: UUID, account_ids: Sequence[str]) -> Mapping[str, Locked]:
    """Wait for the locks of all, then read; whom policy does not know is not in the answer."""
    keys = [(tenant_id, account_id) for account_id in account_ids]
    await lock_page(uow.conn, tenant_id, account_ids)
    accounts, factors = await load_people(uow.conn, keys)
    return {account.id: Locked(account=account, factors=factors.get(key, ())) for key, account in accounts.items()}


async def proof_of(uow: UnitOfWork, account: Account, proof: ChallengeId | None) -> Challenge | None:
    """The challenge offered as a proof, if it is one of this account."""
    if proof is None:
        return None
    key = account.tenant_id, proof
    challenge = (await lock_challenges(uow.conn, [key])).get(key)
    return challenge if challenge is not None and challenge.account_id == account.id else None
