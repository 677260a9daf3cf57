"""Opens what a person typed; between the gateway and here nobody could."""

from uuid import UUID

from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import BrokenSeal, typed_place, unseal
from shared.secret import Secret

_LONGEST_TYPED = 512  # characters: normalising more would be work for an attacker's sake


def open_typed(ring: KeyRing, sealed: str, tenant_id: UUID, record: str, field: str = "code") -> Secret[str] | None:
    """What was typed; None when it was not sealed for this place. Raises `UnknownKey`."""
    try:
        typed = unseal(ring, sealed, typed_place(tenant_id, record, field))
    except (BrokenSeal, UnicodeDecodeError):
        return None
    return typed if len(typed.reveal()) <= _LONGEST_TYPED else None
