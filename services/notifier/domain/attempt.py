"""What follows an attempt to deliver. The diagram is beside this file, in ``delivery.md``.

Exactly once is not to be had: neither SMTP nor Twilio takes a key that would make a second post harmless. So it is
bounded: a definite refusal may come again, an unknown outcome at most once, and nothing is sent after its time.
"""

import datetime as dt
from dataclasses import dataclass

from services.notifier.domain.delivery import Accepted, Misconfigured, Refused, SendOutcome, Unknown

RETRY_DELAYS = tuple(dt.timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))
MAX_UNKNOWNS = 2  # the first unknown outcome may be sent once more, with the same content
PAUSE = dt.timedelta(seconds=60)  # of a channel that an operator must mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The delivery as it was claimed: this attempt is counted already."""

    attempts: int
    unknowns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider has it."""

    provider_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Back in the queue after `delay`."""

    delay: dt.timedelta
    reason: str
    is_unknown: bool = False
    is_counted: bool = True  # a fault of ours burns no attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Never again; `is_unknown`: it may have arrived."""

    reason: str
    is_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Its time was over before it could be sent."""


NextStep = Sent | Again | Failed | Expired


def is_over(not_after: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a message comes too late to be sent at ``now`` (tenant time)."""
    return not_after is not None and not_after <= now


def after_attempt(attempt: Attempt, outcome: SendOutcome) -> NextStep:
    """Decide what becomes of a delivery after an attempt that ended like this."""
    match outcome:
        case Accepted(provider_id=provider_id):
            return Sent(provider_id=provider_id)
        case Refused(code=code, is_permanent=True):
            return Failed(reason=code)
        case Refused(code=code, retry_after=retry_after):
            if attempt.attempts > len(RETRY_DELAYS):
                return Failed(reason=code)
            return Again(delay=max(RETRY_DELAYS[attempt.attempts - 1], retry_after or dt.timedelta()), reason=code)
        case Unknown(reason=reason):
            if attempt.unknowns + 1 >= MAX_UNKNOWNS:
                return Failed(reason=reason, is_unknown=True)
            return Again(delay=RETRY_DELAYS[0], reason=reason, is_unknown=True)
        case Misconfigured(reason=reason):
            return Again(delay=PAUSE, reason=reason, is_counted=False)
