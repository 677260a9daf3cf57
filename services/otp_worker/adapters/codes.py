"""One-time codes: six digits from the system's generator, kept as keyed digests bound to challenge and purpose.

A plain hash of a million possibilities is no protection; the key is in a ring that the database never sees.
"""

import secrets
from collections.abc import Iterable
from uuid import UUID

from services.otp_worker.domain.typed import CODE_DIGITS
from shared.contracts.types import ChallengeId, Purpose
from shared.crypto.digests import digest, matches
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, secret_param_place
from shared.secret import Secret


def new_code() -> Secret[str]:
    """Six digits, leading zeros included, each code as likely as any other."""
    return Secret(f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}")


def code_digest(ring: KeyRing, code: Secret[str], challenge_id: ChallengeId, purpose: Purpose) -> str:
    """What is kept of a code: worth nothing at another challenge or for another purpose."""
    return digest(ring, "code", str(challenge_id), purpose.value, code.reveal())


def is_one_of(
    ring: KeyRing, stored: Iterable[str], code: Secret[str], challenge_id: ChallengeId, purpose: Purpose
) -> bool:
    """Whether the code is one of those; all are compared, in constant time. Raises `UnknownKey`."""
    found = [matches(ring, each, "code", str(challenge_id), purpose.value, code.reveal()) for each in stored]
    return any(found)


def seal_for_notifier(ring: KeyRing, code: Secret[str], tenant_id: UUID, account_id: str, delivery_id: UUID) -> str:
    """The code as it travels to the notifier, who alone can open it."""
    return seal(ring, code, secret_param_place(tenant_id, account_id, delivery_id))
