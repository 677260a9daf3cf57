"""Assertions: a JWT (RFC 7519) signed with Ed25519 (RFC 8037) that an account passed, good for one minute."""

import datetime as dt
from collections.abc import Mapping
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.contracts.types import ChallengeId, Method, Purpose
from shared.crypto.keyring import KeyRing
from shared.ids import new_id

ISSUER = "deskfactor"
LIFETIME = dt.timedelta(seconds=60)

# RFC 8176 has "otp" and "sms"; what it has no name for keeps ours
_AMR: Mapping[Method, tuple[str, ...]] = {
    Method.TOTP: ("otp", "totp"),
    Method.SMS: ("otp", "sms"),
    Method.EMAIL: ("otp", "email"),
    Method.WEBAUTHN: ("hwk", "webauthn"),
    Method.BACKUP_CODE: ("backup_code",),
    Method.RECOVERY_KEY: ("recovery_key",),
    Method.RECOVERY_CODE: ("recovery_code",),
    Method.TRUSTED_DEVICE: ("trusted_device",),
}


def amr(method: Method) -> tuple[str, ...]:
    """The methods that the assertion names."""
    return _AMR[method]


class AssertionSigner:
    """Signs with the active key of the ring ``sign.assertion``, whose keys are Ed25519 seeds."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = {key_id: Ed25519PrivateKey.from_private_bytes(seed) for key_id, seed in ring.keys.items()}
        self._active_id = ring.active_id

    @property
    def public_keys(self) -> dict[str, bytes]:
        """The public halves, 32 bytes each, by key id; for the JWKS."""
        return {
            key_id: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for key_id, key in self._keys.items()
        }

    def sign(
        self,
        *,
        tenant_id: UUID,
        account_id: str,
        challenge_id: ChallengeId | None,
        purpose: Purpose,
        method: Method,
        at: dt.datetime,
    ) -> str:
        """Who, for whom, by what and for which purpose; ``at`` is system time, for a sandbox tenant too."""
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": str(tenant_id),
            "sub": account_id,
            "jti": str(new_id()),
            "iat": int(at.timestamp()),
            "exp": int((at + LIFETIME).timestamp()),
            "amr": list(amr(method)),
            "acr": "trusted_device" if method is Method.TRUSTED_DEVICE else "second_factor",
            "purpose": purpose.value,
        }
        if challenge_id is not None:
            claims["nonce"] = str(challenge_id)
        return jwt.encode(
            claims, self._keys[self._active_id], algorithm="EdDSA", headers={"kid": self._active_id, "typ": "JWT"}
        )
