"""Keyed digests: HMAC-SHA-256 with a key id, compared in constant time (ASVS 5.0 V11.2.4)."""

import base64
import hashlib
import hmac

from shared.crypto.keyring import KeyRing


def digest(ring: KeyRing, *parts: str) -> str:
    """``<key id>.<base64url>`` of the parts, each length-prefixed so that they cannot shift into each other."""
    return f"{ring.active_id}.{_mac(ring.active, parts)}"


def matches(ring: KeyRing, stored: str, *parts: str) -> bool:
    """Whether ``stored`` was made of these parts. Raises `UnknownKey` when its key is not in the ring."""
    key_id, _, mac = stored.partition(".")
    return hmac.compare_digest(mac, _mac(ring.key(key_id), parts))


def token_digest(token: str) -> bytes:
    """SHA-256 of a random token of at least 128 bits: no key and no salt are needed to keep it from being guessed."""
    return hashlib.sha256(token.encode()).digest()


def _mac(key: bytes, parts: tuple[str, ...]) -> str:
    message = b"".join([len(each).to_bytes(4, "big") + each for each in map(str.encode, parts)])
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).decode().rstrip("=")
