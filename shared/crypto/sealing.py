"""Sealed values: AES-256-GCM (NIST SP 800-38D), bound to where they belong by additional data.

A sealed text is ``v1.<key id>.<base64url of nonce and ciphertext>``. The additional data is
``v1|tenant|account|purpose|record|field``: a value moved to another row, tenant or purpose does not open.
"""

import base64
import binascii
import functools
import secrets
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.crypto.keyring import KeyRing
from shared.secret import Secret

_NONCE_BYTES = 12
_VERSION = "v1"


class BrokenSeal(Exception):
    """The value was not sealed by us, not for this place, or was changed on the way."""


class Place(NamedTuple):
    """Where a sealed value belongs. No part holds a bar. Made by name, for every value that is sealed or opened."""

    tenant_id: UUID
    purpose: str
    field: str
    account_id: str = ""
    record: str = ""

    def additional_data(self) -> bytes:
        """``v1|tenant|account|purpose|record|field``; bars inside a part are escaped so that parts cannot shift."""
        parts = (_VERSION, str(self.tenant_id), self.account_id, self.purpose, self.record, self.field)
        joined = "|".join(parts)
        if "%" in joined or joined.count("|") != len(parts) - 1:  # hardly ever
            joined = "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)
        return joined.encode()


def encrypt(key: bytes, value: bytes, place: Place) -> bytes:
    """Nonce and ciphertext under a raw 256-bit key."""
    return _encrypt(AESGCM(key), value, place)


def decrypt(key: bytes, blob: bytes, place: Place) -> bytes:
    """The value back. Raises `BrokenSeal`."""
    return _decrypt(AESGCM(key), blob, place)


def _encrypt(cipher: AESGCM, value: bytes, place: Place) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, value, place.additional_data())


def _decrypt(cipher: AESGCM, blob: bytes, place: Place) -> bytes:
    try:
        return cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], place.additional_data())
    except (InvalidTag, ValueError):
        raise BrokenSeal(place.field) from None


@functools.lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    """Made once for a key of a ring, which is in memory for as long as the process lives; never for a data key."""
    return AESGCM(key)


def seal_bytes(ring: KeyRing, value: bytes, place: Place) -> str:
    """Seal with the ring's active key."""
    blob = base64.urlsafe_b64encode(_encrypt(_cipher(ring.active), value, place)).decode()
    return f"{_VERSION}.{ring.active_id}.{blob}"


def open_bytes(ring: KeyRing, sealed: str, place: Place) -> bytes:
    """Open with the key that the text names. Raises `BrokenSeal` or, for a key we do not hold, `UnknownKey`."""
    try:
        version, key_id, text = sealed.split(".")
        blob = base64.urlsafe_b64decode(text)
    except (ValueError, binascii.Error):
        raise BrokenSeal(place.field) from None
    if version != _VERSION:
        raise BrokenSeal(place.field)
    return _decrypt(_cipher(ring.key(key_id)), blob, place)


def seal(ring: KeyRing, value: Secret[str], place: Place) -> str:
    """Seal a text."""
    return seal_bytes(ring, value.reveal().encode(), place)


def unseal(ring: KeyRing, sealed: str, place: Place) -> Secret[str]:
    """Open a text. Raises `BrokenSeal`, `UnknownKey`."""
    return Secret(open_bytes(ring, sealed, place).decode())


def contact_place(tenant_id: UUID, account_id: str, channel: str) -> Place:
    """The place of an address or number.

    The same wherever it is stored: it travels sealed from the gateway through accounts, factors and commands to the
    notifier, and nobody between opens it.
    """
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="contact", field=channel)


def typed_place(tenant_id: UUID, record: str, field: str) -> Place:
    """The place of what a person typed into a request: a code, a token."""
    return Place(tenant_id=tenant_id, purpose="typed", record=record, field=field)


def report_chunk_place(tenant_id: UUID, report_id: UUID, number: int) -> Place:
    """The place of a piece of a report, where it rests and on its way to who downloads it."""
    return Place(tenant_id=tenant_id, purpose="report", record=str(report_id), field=str(number))


def reply_place(tenant_id: UUID, scope: str, key: str) -> Place:
    """The place of an answer to a request: the same for every repetition of it."""
    return Place(tenant_id=tenant_id, purpose="reply", record=f"{scope} {key}", field="answer")


def secret_param_place(tenant_id: UUID, account_id: str, delivery_id: UUID) -> Place:
    """The place of the code inside a command to the notifier, and of the row it becomes."""
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="delivery", record=str(delivery_id), field="code")


def sandbox_place(tenant_id: UUID, account_id: str, delivery_id: UUID) -> Place:
    """The place of a sandbox tenant's message, which its developers may read."""
    return Place(
        tenant_id=tenant_id, account_id=account_id, purpose="sandbox", record=str(delivery_id), field="message"
    )


def webhook_place(tenant_id: UUID, endpoint_id: UUID, field: str) -> Place:
    """The place of a webhook endpoint's ``url`` or ``secret``."""
    return Place(tenant_id=tenant_id, purpose="webhook", record=str(endpoint_id), field=field)
