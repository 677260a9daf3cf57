"""A new TOTP seed under the account's data key, which is made when the first one is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.otp_worker.adapters.seeds import make_account_key, make_tenant_key, new_seed, seal_seed, seed_place
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.queries.accounts import Key
from services.otp_worker.queries.keys import insert_account_keys, keep_tenant_key
from shared.contracts.types import FactorId
from shared.ids import new_id
from shared.messaging.unit_of_work import UnitOfWork
from shared.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSeed:
    """A seed, in clear for its owner and as the row keeps it."""

    factor_id: FactorId
    clear: Secret[bytes]
    stored: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeys:
    """An account's data key and its tenant's, both wrapped."""

    tenant: str = field(repr=False)
    account: bytes = field(repr=False)


async def make_seed(uow: UnitOfWork, deps: Deps, account: Account) -> NewSeed:
    """The caller holds the account's lock."""
    keys = await data_keys(uow, deps, account)
    factor_id = FactorId(new_id())
    clear = new_seed()
    stored = seal_seed(
        deps.master_key,
        clear,
        tenant_key=keys.tenant,
        account_key=keys.account,
        place=seed_place(account.tenant_id, account.id, factor_id),
    )
    return NewSeed(factor_id=factor_id, clear=clear, stored=stored)


async def data_keys(uow: UnitOfWork, deps: Deps, account: Account) -> DataKeys:
    """Those of the account; made where there are none. Once a transaction: the caller holds the account's lock."""
    return (await data_keys_of(uow, deps, [account]))[account.key]


async def data_keys_of(uow: UnitOfWork, deps: Deps, accounts: Sequence[Account]) -> Mapping[Key, DataKeys]:
    """`data_keys` of several accounts of one tenant."""
    tenant_id, tenant_key = accounts[0].tenant_id, accounts[0].tenant_key
    if tenant_key is None:
        tenant_key = await keep_tenant_key(uow.conn, tenant_id, make_tenant_key(deps.master_key, tenant_id))
    made = {
        each.id: make_account_key(deps.master_key, tenant_key, tenant_id, each.id)
        for each in accounts
        if each.account_key is None
    }
    if made:
        await insert_account_keys(uow.conn, tenant_id, made)
    return {each.key: DataKeys(tenant=tenant_key, account=each.account_key or made[each.id]) for each in accounts}
