"""What a page says of a challenge that is over, and what the helpdesk is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from aiohttp import web

from services.gateway.prompt.addresses import way_back
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import Visit
from shared.contracts.types import ChallengeState


@dataclass(frozen=True, slots=True)
class End:
    """For the person, and, as `error`, for the helpdesk."""

    message: Message
    error: str


OVER: Final = End(Message.CHALLENGE_OVER, "over")
EXPIRED: Final = End(Message.CHALLENGE_EXPIRED, "expired")
_ENDS: Final[Mapping[ChallengeState, End]] = MappingProxyType(
    {
        ChallengeState.EXPIRED: EXPIRED,
        ChallengeState.EXHAUSTED: End(Message.CHALLENGE_EXHAUSTED, "exhausted"),
    }
)


def end_of(state: ChallengeState) -> End:
    """Of a challenge that this browser did not pass."""
    return _ENDS.get(state, OVER)


def ended(pages: Pages, visit: Visit, end: End) -> web.Response:
    """Words, and the way back."""
    return pages.say(end.message, visit.language, back=way_back(visit.session, error=end.error))
