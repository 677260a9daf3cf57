"""Envelope encryption: a data key an account, wrapped by its tenant's, wrapped by a master key.

Destroying an account's data key makes all that rests under it unreadable, backups included.
"""

import secrets
from typing import Protocol
from uuid import UUID

from shared.crypto.keyring import KEY_BYTES, KeyRing
from shared.crypto.sealing import Place, decrypt, encrypt, open_bytes, seal_bytes


class MasterKey(Protocol):
    """Wraps the keys of tenants. A ring from a file is the first provider; a key service would be another."""

    def wrap(self, tenant_id: UUID, key: bytes) -> str:
        """Wrap a tenant's data key; the text names the master key used."""
        ...

    def unwrap(self, tenant_id: UUID, wrapped: str) -> bytes:
        """The tenant's data key. Raises `UnknownKey` or `BrokenSeal`."""
        ...


class RingMasterKey:
    """A master key that is a ring's key."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def wrap(self, tenant_id: UUID, key: bytes) -> str:
        """See `MasterKey`."""
        return seal_bytes(self._ring, key, _tenant_place(tenant_id))

    def unwrap(self, tenant_id: UUID, wrapped: str) -> bytes:
        """See `MasterKey`."""
        return open_bytes(self._ring, wrapped, _tenant_place(tenant_id))


def new_data_key() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def wrap_account_key(tenant_key: bytes, tenant_id: UUID, account_id: str, key: bytes) -> bytes:
    """An account's data key under its tenant's."""
    return encrypt(tenant_key, key, _account_place(tenant_id, account_id))


def unwrap_account_key(tenant_key: bytes, tenant_id: UUID, account_id: str, wrapped: bytes) -> bytes:
    """The account's data key. Raises `BrokenSeal`."""
    return decrypt(tenant_key, wrapped, _account_place(tenant_id, account_id))


def _tenant_place(tenant_id: UUID) -> Place:
    return Place(tenant_id=tenant_id, purpose="data_key", field="tenant")


def _account_place(tenant_id: UUID, account_id: str) -> Place:
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="data_key", field="account")
