"""What is said of the ways to prove oneself: how strong each is, and how codes are kept. For people, in English;
whoever shows it in another language goes by the word.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.contracts.types import FactorType, Strength

STRENGTHS: Final[Mapping[FactorType, Strength]] = MappingProxyType(
    {
        FactorType.WEBAUTHN: Strength.PHISHING_RESISTANT,
        FactorType.TOTP: Strength.STRONG,
        FactorType.EMAIL: Strength.LESS_SECURE,
        FactorType.SMS: Strength.LESS_SECURE,
    }
)

ADVICE: Final[Mapping[FactorType, str]] = MappingProxyType(
    {
        FactorType.EMAIL: "Less secure than an app: whoever reads the mailbox reads the codes.",
        FactorType.SMS: "Less secure than an app: numbers can be taken over.",
    }
)
"""Beside a method that is not the best choice."""

KEEP_CODES: Final = (
    "They are shown only now. Store them in a password manager, or on paper where only you can reach them, and never "
    "share them with anybody. Prefer an authenticator app over SMS."
)
HAND_OVER: Final = (
    "It is shown only now, and lets its owner in once. Give it to nobody but the person whose account it is, after you "
    "have made sure who they are, and not in a message that others can read."
)


def keeping(*codes: object) -> str | None:
    """How to keep what an answer shows; None: it shows no codes."""
    return KEEP_CODES if any(code is not None for code in codes) else None
