"""What the Twilio simulator can be told to do with the next message, and what it refuses by itself."""

import re
from dataclasses import dataclass
from typing import Final

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST_BODY: Final = 1600

INVALID_NUMBER: Final = "+15005550001"  # as with Twilio's own test credentials
NOT_MOBILE: Final = "+15005550009"
NOT_OUR_SENDER: Final = "+15005550007"


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse: an HTTP status and one of Twilio's codes; with ``retry_after`` seconds in the header."""

    status: int
    code: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class FailAfterSending:
    """Take the message, then answer with a server's error."""

    status: int = 500


@dataclass(frozen=True, slots=True)
class Hang:
    """Take the message, then never answer."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Take the message, then close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Garble:
    """Take the message, then answer with a page that is not Twilio's."""


Behaviour = Reject | FailAfterSending | Hang | HangUp | Garble

THROTTLED: Final = Reject(429, 20429, retry_after=7)
BAD_CREDENTIALS: Final = Reject(401, 20003)


def refusal_of(*, to: str, sender: str, body: str) -> Reject | None:
    """What Twilio refuses by itself."""
    if to == NOT_MOBILE:
        return Reject(400, 21614)
    if to == INVALID_NUMBER or not _E164.fullmatch(to):
        return Reject(400, 21211)
    if not sender:
        return Reject(400, 21603)
    if sender == NOT_OUR_SENDER:
        return Reject(400, 21606)
    if not body:
        return Reject(400, 21602)
    if len(body) > _LONGEST_BODY:
        return Reject(400, 21617)
    return None
