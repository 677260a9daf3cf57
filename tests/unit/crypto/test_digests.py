"""Keyed digests: the same parts and key give the same digest, anything else another."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto.digests import digest, matches, token_digest
from shared.crypto.keyring import KEY_BYTES, KeyRing, UnknownKey

RING = KeyRing("digest", "k1", {"k1": b"1" * KEY_BYTES})

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4)


@given(one=parts, other=parts)
def test_a_digest_is_of_exactly_these_parts(one: list[str], other: list[str]) -> None:
    """``("1", "23")`` is not ``("12", "3")``: a code of one challenge must not pass at another."""
    assert matches(RING, digest(RING, *one), *other) == (one == other)


def test_a_digest_is_hmac_sha_256_over_length_prefixed_parts() -> None:
    """Whoever has to verify it elsewhere can (RFC 2104)."""
    expected = hmac.new(b"1" * KEY_BYTES, b"\0\0\0\1a\0\0\0\2bc", hashlib.sha256).digest()
    key_id, mac = digest(RING, "a", "bc").split(".")
    assert key_id == "k1"
    assert mac == hashlib_base64(expected)


def hashlib_base64(value: bytes) -> str:
    """Base64url without padding."""
    import base64  # noqa: PLC0415 - a second way to the same text

    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def test_another_key_gives_another_digest() -> None:
    """Six digits without a key are guessed in a millisecond."""
    other = KeyRing("digest", "k1", {"k1": b"2" * KEY_BYTES})
    assert not matches(other, digest(RING, "493027"), "493027")
    assert digest(RING, "493027") != digest(other, "493027")


def test_after_a_rotation_old_digests_match_and_without_their_key_nothing_is_decided() -> None:
    """A code mailed before the rotation is still right after it; a missing key is an outage, not a wrong code."""
    stored = digest(RING, "493027")
    rotated = KeyRing("digest", "k2", {**RING.keys, "k2": b"2" * KEY_BYTES})
    assert matches(rotated, stored, "493027")
    assert digest(rotated, "493027").startswith("k2.")
    with pytest.raises(UnknownKey):
        matches(KeyRing("digest", "k2", {"k2": b"2" * KEY_BYTES}), stored, "493027")


def test_a_token_is_kept_as_its_sha_256() -> None:
    """FIPS 180-4's first example."""
    assert token_digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
