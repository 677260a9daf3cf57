"""Webhooks: which endpoint gets an event, and what follows an attempt to deliver it. The diagram is in ``webhook.md``.

Unlike a mail, an event may be sent again whatever became of it: its ``webhook-id`` lets the receiver tell (Standard
Webhooks 1.0.0, "Deliverability and reliability").
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

OFFSETS: Final = (  # of the attempts, from the first one
    dt.timedelta(),
    dt.timedelta(seconds=5),
    dt.timedelta(minutes=5),
    dt.timedelta(minutes=30),
    dt.timedelta(hours=2),
    dt.timedelta(hours=5),
    dt.timedelta(hours=10),
    dt.timedelta(hours=14),
    dt.timedelta(hours=20),
    dt.timedelta(hours=24),
)
SPREAD: Final = 0.1  # of the time to the next attempt, so that what failed together does not come back together
SOONEST: Final = dt.timedelta(seconds=5)  # between two attempts, when the schedule has been overtaken
LONGEST_WAIT: Final = dt.timedelta(hours=24)  # a Retry-After beyond is taken for this
GIVE_UP_AFTER: Final = dt.timedelta(hours=24)  # of failures without a success: the endpoint is disabled
SECRET_OVERLAP: Final = dt.timedelta(hours=24)  # for which the secret before signs as well
MAX_ENDPOINTS: Final = 10  # of a tenant: each event is a row for each of them
MAX_WAITING: Final = 10_000  # rows of an endpoint; what comes on top is left to the feed
CLOCKS_APART: Final = dt.timedelta(minutes=1)  # an event's time may be another machine's than the endpoint's
EVERYTHING: Final = "*"
TRIAL: Final = "webhook_endpoint.tested"  # queued by who asked for it, and for that endpoint only


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An enabled endpoint and what it wants to hear. `is_full`: so much waits for it that nothing is added."""

    tenant_id: UUID
    endpoint_id: UUID
    events: Sequence[str]
    created_at: dt.datetime
    is_full: bool = False

    def wants(self, event_type: str, happened_at: dt.datetime) -> bool:
        """Whether the event is for it. One from before it was made is not: an event that nobody listened to is not
        remembered, and a replay of last week's is none of its business.
        """
        return takes(self.events, event_type) and happened_at > self.created_at - CLOCKS_APART


def takes(filters: Sequence[str], event_type: str) -> bool:
    """Whether a filter (types, ``noun.*``, ``*``) lets an event type through."""
    if event_type == TRIAL:
        return False
    noun = event_type.partition(".")[0]
    return any(each in (EVERYTHING, event_type, f"{noun}.*") for each in filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The endpoint said something. `retry_after` is what it asks for."""

    status: int
    retry_after: dt.timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """It said nothing; `reason` is a machine word, such as ``timeout``, ``connect`` or ``address_refused``."""

    reason: str


PostOutcome = Answered | Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The endpoint has it."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Again after `delay`; nothing else goes to this endpoint for `pause`, where it asked for that."""

    delay: dt.timedelta
    reason: str
    status: int | None = None
    pause: dt.timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The schedule is over."""

    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """410: the endpoint wants nothing any more."""

    status: int = 410


AfterPost = Delivered | Later | GivenUp | Gone


def after_post(outcome: PostOutcome, *, attempts: int, elapsed: dt.timedelta, jitter: float) -> AfterPost:
    """Decide what becomes of a delivery whose ``attempts``-th attempt ended like this.

    ``elapsed``: since the first attempt was due; ``jitter``: chance, from 0 to 1.
    """
    match outcome:
        case Answered(status=status) if 200 <= status < 300:  # noqa: PLR2004 - success (RFC 9110, 15.3)
            return Delivered(status=status)
        case Answered(status=410):
            return Gone()
        case Answered(status=status, retry_after=wait):
            reason = "redirected" if 300 <= status < 400 else f"http_{status}"  # noqa: PLR2004 - RFC 9110, 15.4
            return _again(attempts, elapsed, jitter, reason=reason, status=status, wait=wait)
        case Unanswered(reason=reason):
            return _again(attempts, elapsed, jitter, reason=reason)


def _again(
    attempts: int,
    elapsed: dt.timedelta,
    jitter: float,
    *,
    reason: str,
    status: int | None = None,
    wait: dt.timedelta | None = None,
) -> Later | GivenUp:
    if attempts >= len(OFFSETS):
        return GivenUp(reason=reason, status=status)
    pause = min(wait, LONGEST_WAIT) if wait else None
    scheduled = max(OFFSETS[attempts] - elapsed, SOONEST) * (1 + SPREAD * jitter)
    return Later(delay=max(scheduled, pause or dt.timedelta()), reason=reason, status=status, pause=pause)


def has_failed_for_long(failing_for: dt.timedelta) -> bool:
    """Whether an endpoint to which nothing got through for so long is to be disabled."""
    return failing_for >= GIVE_UP_AFTER
