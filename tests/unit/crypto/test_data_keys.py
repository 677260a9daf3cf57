"""Envelope encryption: account's key under tenant's, tenant's under the master; each in its own place only."""

import secrets
from uuid import UUID

import pytest

from shared.crypto.data_keys import RingMasterKey, new_data_key, unwrap_account_key, wrap_account_key
from shared.crypto.keyring import KEY_BYTES, KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal

ONE, OTHER = (UUID(f"01990000-0000-7000-8000-00000000000{number}") for number in (1, 2))
RING = KeyRing("rest", "k1", {"k1": b"1" * KEY_BYTES})


def test_a_tenants_key_comes_back_for_that_tenant_only() -> None:
    """A wrapped key copied into another tenant's row must not open what is there."""
    master, key = RingMasterKey(RING), new_data_key()
    wrapped = master.wrap(ONE, key)
    assert master.unwrap(ONE, wrapped) == key
    with pytest.raises(BrokenSeal):
        master.unwrap(OTHER, wrapped)


def test_a_wrapped_key_names_its_master_key() -> None:
    """Master keys are rotated by wrapping anew; until then each is opened with the one that it names."""
    wrapped = RingMasterKey(RING).wrap(ONE, new_data_key())
    rotated = KeyRing("rest", "k2", {**RING.keys, "k2": b"2" * KEY_BYTES})
    assert RingMasterKey(rotated).unwrap(ONE, wrapped) == RingMasterKey(RING).unwrap(ONE, wrapped)
    with pytest.raises(UnknownKey):
        RingMasterKey(KeyRing("rest", "k2", {"k2": b"2" * KEY_BYTES})).unwrap(ONE, wrapped)


def test_an_accounts_key_belongs_to_its_account() -> None:
    """Nor can it be moved to another account, nor opened with another tenant's key."""
    tenant_key, key = new_data_key(), new_data_key()
    wrapped = wrap_account_key(tenant_key, ONE, "ann", key)
    assert unwrap_account_key(tenant_key, ONE, "ann", wrapped) == key
    for place in ((tenant_key, ONE, "bob"), (tenant_key, OTHER, "ann"), (new_data_key(), ONE, "ann")):
        with pytest.raises(BrokenSeal):
            unwrap_account_key(*place, wrapped)


def test_a_truncated_key_is_a_broken_seal() -> None:
    """A row that a disk cut short is told as what it is."""
    tenant_key = new_data_key()
    wrapped = wrap_account_key(tenant_key, ONE, "ann", new_data_key())
    for length in (0, 5, 12, len(wrapped) - 1):
        with pytest.raises(BrokenSeal):
            unwrap_account_key(tenant_key, ONE, "ann", wrapped[:length])


def test_data_keys_are_256_random_bits() -> None:
    """Erasing an account destroys its key: two accounts with the same key could not be erased apart."""
    keys = {new_data_key() for _ in range(100)}
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert len(keys | {secrets.token_bytes(KEY_BYTES)}) == 101
