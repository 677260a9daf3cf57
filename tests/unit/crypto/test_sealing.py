"""Sealed values open where they belong, whole, with the key that they name; nowhere else."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto.keyring import KEY_BYTES, KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal, Place, contact_place, open_bytes, seal, seal_bytes, typed_place, unseal
from shared.secret import Secret

RING = KeyRing("seal.notifier", "k1", {"k1": b"1" * KEY_BYTES})
TENANT = UUID("01990000-0000-7000-8000-000000000001")
PLACE = Place(tenant_id=TENANT, account_id="ann", purpose="contact", record="7", field="email")
CODE = "493027"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
places = st.builds(
    Place,
    tenant_id=st.uuids(),
    account_id=texts,
    purpose=st.sampled_from(["contact", "typed", "a|b"]),
    record=texts,
    field=texts,
)


@given(value=st.binary(max_size=300), place=places)
def test_what_is_sealed_opens_in_its_place(value: bytes, place: Place) -> None:
    """Whatever a person's address holds, it comes back as it was."""
    assert open_bytes(RING, seal_bytes(RING, value, place), place) == value


@given(one=places, other=places)
def test_two_places_are_one_only_if_all_their_parts_are(one: Place, other: Place) -> None:
    """A bar in an account's id must not make it look like another account's place: parts cannot shift."""
    assert (one.additional_data() == other.additional_data()) == (one == other)


def test_parts_cannot_shift_into_each_other() -> None:
    """The examples that chance would take long to find."""
    first = Place(tenant_id=TENANT, account_id="a|b", purpose="p", record="", field="f")
    shifted = Place(tenant_id=TENANT, account_id="a", purpose="b|p", record="", field="f")
    escaped = Place(tenant_id=TENANT, account_id="a%7Cb", purpose="p", record="", field="f")
    assert len({each.additional_data() for each in (first, shifted, escaped)}) == 3


@pytest.mark.parametrize(
    "moved",
    [
        {"tenant_id": UUID("01990000-0000-7000-8000-000000000002")},
        {"account_id": "bob"},
        {"purpose": "typed"},
        {"record": "8"},
        {"field": "sms"},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_a_value_that_was_moved_does_not_open(moved: dict[str, object]) -> None:
    """Whoever can write into the database must not put Ann's address, or her code, into Bob's row."""
    sealed = seal(RING, Secret(CODE), PLACE)
    elsewhere = PLACE._replace(**moved)  # type: ignore[arg-type]
    with pytest.raises(BrokenSeal):
        unseal(RING, sealed, elsewhere)


@given(position=st.integers(min_value=0, max_value=10_000), bit=st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_breaks_the_seal(position: int, bit: int) -> None:
    """Nonce, ciphertext or tag: nothing in it can be changed unseen."""
    version, key_id, text = seal(RING, Secret(CODE), PLACE).split(".")
    blob = bytearray(base64.urlsafe_b64decode(text))
    blob[position % len(blob)] ^= 1 << bit
    forged = f"{version}.{key_id}.{base64.urlsafe_b64encode(bytes(blob)).decode()}"
    with pytest.raises(BrokenSeal):
        unseal(RING, forged, PLACE)


@given(text=st.text(max_size=60))
def test_no_text_is_more_than_a_broken_seal(text: str) -> None:
    """What a stranger sends as a sealed value is refused, never an error that nobody expected."""
    for sealed in (text, f"v1.k1.{text}", f"v2.k1.{text}"):
        with pytest.raises(BrokenSeal):
            open_bytes(RING, sealed, PLACE)


def test_an_unknown_key_is_told_from_a_broken_seal() -> None:
    """The first is an operator's matter and a 503; the second is an attack, or a bug."""
    sealed = seal(RING, Secret(CODE), PLACE)
    rotated = KeyRing(RING.name, "k2", {"k2": b"2" * KEY_BYTES})
    with pytest.raises(UnknownKey):
        unseal(rotated, sealed, PLACE)
    same_id = KeyRing(RING.name, "k1", {"k1": b"2" * KEY_BYTES})
    with pytest.raises(BrokenSeal):
        unseal(same_id, sealed, PLACE)


def test_after_a_rotation_new_values_carry_the_new_key_and_old_ones_open() -> None:
    """Rotation is without a pause: both keys are there for as long as old values are."""
    sealed = seal(RING, Secret(CODE), PLACE)
    both = KeyRing(RING.name, "k2", {**RING.keys, "k2": b"2" * KEY_BYTES})
    assert unseal(both, sealed, PLACE).reveal() == CODE
    assert seal(both, Secret(CODE), PLACE).startswith("v1.k2.")


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    """Equal texts would show that two people have one phone; an equal nonce would give the key away (SP 800-38D, 8)."""
    sealed = [seal(RING, Secret(CODE), PLACE) for _ in range(1_000)]
    assert len({base64.urlsafe_b64decode(each.split(".")[2])[:12] for each in sealed}) == 1_000
    assert all(CODE not in each for each in sealed)


def test_places_of_one_value_agree_wherever_they_are_made() -> None:
    """Gateway and worker each make the place of what was typed; and an address is not a code."""
    assert typed_place(TENANT, "7", "code") == typed_place(TENANT, "7", "code")
    assert contact_place(TENANT, "ann", "email") != contact_place(TENANT, "ann", "sms")


def test_a_broken_seal_tells_the_field_and_nothing_else() -> None:
    """It is logged."""
    sealed = seal(RING, Secret(CODE), PLACE)
    with pytest.raises(BrokenSeal) as broken:
        unseal(RING, sealed, PLACE._replace(account_id="bob"))
    assert str(broken.value) == "email"
