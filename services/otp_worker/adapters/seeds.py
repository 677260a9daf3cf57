"""TOTP seeds at rest: under the account's data key, bound to the row they lie in."""

import secrets
from uuid import UUID

from services.otp_worker.domain.totp import SEED_BYTES
from shared.contracts.types import FactorId
from shared.crypto.data_keys import MasterKey, new_data_key, unwrap_account_key, wrap_account_key
from shared.crypto.sealing import Place, decrypt, encrypt
from shared.secret import Secret


def new_seed() -> Secret[bytes]:
    """160 random bits."""
    return Secret(secrets.token_bytes(SEED_BYTES))


def make_tenant_key(master: MasterKey, tenant_id: UUID) -> str:
    """A new data key of a tenant, wrapped."""
    return master.wrap(tenant_id, new_data_key())


def make_account_key(master: MasterKey, tenant_key: str, tenant_id: UUID, account_id: str) -> bytes:
    """A new data key of an account, wrapped under its tenant's."""
    return wrap_account_key(master.unwrap(tenant_id, tenant_key), tenant_id, account_id, new_data_key())


def seal_seed(master: MasterKey, seed: Secret[bytes], *, tenant_key: str, account_key: bytes, place: Place) -> bytes:
    """The seed as the row keeps it."""
    return encrypt(_account_key(master, tenant_key, account_key, place), seed.reveal(), place)


def open_seed(master: MasterKey, stored: bytes, *, tenant_key: str, account_key: bytes, place: Place) -> Secret[bytes]:
    """The seed back. Raises `UnknownKey` for a master key we lack, `BrokenSeal` for a row that was tampered with."""
    return Secret(decrypt(_account_key(master, tenant_key, account_key, place), stored, place))


def seed_place(tenant_id: UUID, account_id: str, factor_id: FactorId) -> Place:
    """Where a seed belongs: copied into another row it does not open."""
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="factor", record=str(factor_id), field="seed")


def _account_key(master: MasterKey, tenant_key: str, account_key: bytes, place: Place) -> bytes:
    under = master.unwrap(place.tenant_id, tenant_key)
    return unwrap_account_key(under, place.tenant_id, place.account_id, account_key)
