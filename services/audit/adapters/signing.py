"""Ed25519 (RFC 8032) over the heads of chains."""

import datetime as dt
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.audit.domain.heads import Head, SignedHead, signed_bytes
from shared.crypto.keyring import KeyRing


class HeadSigner:
    """Signs with the active key of the ring ``sign.audit``."""

    def __init__(self, ring: KeyRing) -> None:
        self._key_id = ring.active_id
        self._key = Ed25519PrivateKey.from_private_bytes(ring.active)
        self.public_keys: Mapping[str, bytes] = public_keys(ring)

    def sign(self, head: Head, at: dt.datetime) -> SignedHead:
        """The head as it is, at ``at`` (system time)."""
        return SignedHead(
            tenant_id=head.tenant_id,
            seq=head.seq,
            hash=head.hash,
            signed_at=at,
            key_id=self._key_id,
            signature=self._key.sign(signed_bytes(head.tenant_id, head.seq, head.hash, at)),
        )


def public_keys(ring: KeyRing) -> dict[str, bytes]:
    """The public halves of a ring of Ed25519 seeds, by key id."""
    return {
        key_id: Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        for key_id, seed in ring.keys.items()
    }


def is_genuine(signed: SignedHead, keys: Mapping[str, bytes]) -> bool:
    """Whether the head was signed by the key that it names; False for a key that is not known."""
    public_key = keys.get(signed.key_id)
    if public_key is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signed.signature, signed_bytes(signed.tenant_id, signed.seq, signed.hash, signed.signed_at)
        )
    except InvalidSignature:
        return False
    return True
