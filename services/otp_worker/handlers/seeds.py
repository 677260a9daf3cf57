"""A new TOTP seed under the account's data key, which is made when the first one is needed."""

from dataclasses import dataclass, field

from services.otp_worker.adapters.seeds import make_account_key, make_tenant_key, new_seed, seal_seed, seed_place
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.queries.keys import insert_account_key, keep_tenant_key
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
    tenant_key = account.tenant_key
    if tenant_key is None:
        made = make_tenant_key(deps.master_key, account.tenant_id)
        tenant_key = await keep_tenant_key(uow.conn, account.tenant_id, made)
    account_key = account.account_key
    if account_key is None:
        account_key = make_account_key(deps.master_key, tenant_key, account.tenant_id, account.id)
        await insert_account_key(uow.conn, account.tenant_id, account.id, account_key)
    return DataKeys(tenant=tenant_key, account=account_key)
