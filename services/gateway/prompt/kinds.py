"""The kinds of hosted pages, and those that there are pages for."""

import enum
from typing import Final


class PromptKind(enum.StrEnum):
    """What a browser is sent here for."""

    SIGN_IN = "sign_in"
    ENROL = "enrol"
    RECOVERY = "recovery"
    SECURITY = "security"
    ADMIN = "admin"


SERVED: Final = frozenset({PromptKind.SIGN_IN, PromptKind.ENROL, PromptKind.RECOVERY})
"""Another kind is refused where a session is asked for: an address that leads nowhere would be found by a person."""
