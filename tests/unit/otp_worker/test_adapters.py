"""What is kept of codes and seeds opens only where it belongs."""

import pytest

from services.otp_worker.adapters.assertions import amr
from services.otp_worker.adapters.codes import code_digest, is_one_of, new_code
from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.adapters.seeds import (
    make_account_key,
    make_tenant_key,
    new_seed,
    open_seed,
    seal_seed,
    seed_place,
)
from shared.contracts.types import ChallengeId, FactorId, Method, Purpose
from shared.crypto.data_keys import RingMasterKey
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal, seal, typed_place
from shared.ids import new_id
from shared.secret import Secret

RING = KeyRing("digest", "k1", {"k1": b"1" * 32})
NEXT = KeyRing("digest", "k2", {"k1": b"1" * 32, "k2": b"2" * 32})
OTHER = KeyRing("digest", "k9", {"k9": b"9" * 32})
HERE, THERE = ChallengeId(new_id()), ChallengeId(new_id())


def test_a_code_is_six_digits() -> None:
    """Leading zeros are digits, too."""
    assert all(len(code := new_code().reveal()) == 6 and code.isdigit() for _ in range(2_000))


def test_a_digest_is_bound_to_challenge_and_purpose_and_outlives_a_rotation() -> None:
    """A code is good where it was asked for; yesterday's key still opens today."""
    code = Secret("042137")
    stored = code_digest(RING, code, HERE, Purpose.SIGN_IN)
    assert "042137" not in stored
    assert is_one_of(NEXT, [stored], code, HERE, Purpose.SIGN_IN)
    assert not is_one_of(NEXT, [stored], Secret("042138"), HERE, Purpose.SIGN_IN)
    assert not is_one_of(NEXT, [stored], code, THERE, Purpose.SIGN_IN)
    assert not is_one_of(NEXT, [stored], code, HERE, Purpose.STEP_UP)
    with pytest.raises(UnknownKey):
        is_one_of(OTHER, [stored], code, HERE, Purpose.SIGN_IN)


def test_what_was_typed_opens_at_its_challenge_only() -> None:
    """A sealed code that was copied to another request is as good as none."""
    tenant_id = new_id()
    sealed = seal(RING, Secret("123456"), typed_place(tenant_id, str(HERE), "code"))
    opened = open_typed(RING, sealed, tenant_id, str(HERE))
    assert opened is not None
    assert opened.reveal() == "123456"
    assert open_typed(RING, sealed, tenant_id, str(THERE)) is None
    assert open_typed(RING, sealed, new_id(), str(HERE)) is None
    long = seal(RING, Secret("1" * 600), typed_place(tenant_id, str(HERE), "code"))
    assert open_typed(RING, long, tenant_id, str(HERE)) is None


def test_a_seed_opens_in_its_own_row_with_its_own_keys() -> None:
    """Neither another row nor another account's key nor another master key opens it."""
    master, tenant_id = RingMasterKey(RING), new_id()
    tenant_key = make_tenant_key(master, tenant_id)
    keys = {name: make_account_key(master, tenant_key, tenant_id, name) for name in ("ann", "bob")}
    seed, place = new_seed(), seed_place(tenant_id, "ann", FactorId(new_id()))
    stored = seal_seed(master, seed, tenant_key=tenant_key, account_key=keys["ann"], place=place)
    opened = open_seed(master, stored, tenant_key=tenant_key, account_key=keys["ann"], place=place)
    assert opened.reveal() == seed.reveal()
    assert len(seed.reveal()) == 20
    elsewhere = seed_place(tenant_id, "ann", FactorId(new_id()))
    with pytest.raises(BrokenSeal):
        open_seed(master, stored, tenant_key=tenant_key, account_key=keys["ann"], place=elsewhere)
    with pytest.raises(BrokenSeal):
        open_seed(master, stored, tenant_key=tenant_key, account_key=keys["bob"], place=place)
    with pytest.raises(UnknownKey):
        open_seed(RingMasterKey(OTHER), stored, tenant_key=tenant_key, account_key=keys["ann"], place=place)


def test_every_method_has_a_name_in_the_assertion() -> None:
    """A helpdesk that wants no mailed codes must be able to tell."""
    assert {amr(method)[-1] for method in Method} == {method.value for method in Method}
