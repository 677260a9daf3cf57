"""What follows an attempt: the bounds on sending twice, and on trying for ever."""

import datetime as dt

import pytest

from services.notifier.domain.attempt import (
    PAUSE,
    RETRY_DELAYS,
    Again,
    Attempt,
    Failed,
    NextStep,
    Sent,
    after_attempt,
    is_over,
)
from services.notifier.domain.delivery import Accepted, Misconfigured, Refused, SendOutcome, Unknown

FIRST = Attempt(attempts=1, unknowns=0)
LAST = Attempt(attempts=len(RETRY_DELAYS) + 1, unknowns=0)
BUSY = Refused(code="451", is_permanent=False)


@pytest.mark.parametrize(
    ("attempt", "outcome", "wanted"),
    [
        (FIRST, Accepted(provider_id="SM1"), Sent(provider_id="SM1")),
        (FIRST, Refused(code="550 5.1.1", is_permanent=True), Failed(reason="550 5.1.1")),
        (FIRST, BUSY, Again(delay=RETRY_DELAYS[0], reason="451")),
        (Attempt(attempts=3, unknowns=0), BUSY, Again(delay=RETRY_DELAYS[2], reason="451")),
        (LAST, BUSY, Failed(reason="451")),
        (FIRST, Unknown(reason="timeout"), Again(delay=RETRY_DELAYS[0], reason="timeout", is_unknown=True)),
        (Attempt(attempts=2, unknowns=1), Unknown(reason="timeout"), Failed(reason="timeout", is_unknown=True)),
        (FIRST, Misconfigured(reason="auth"), Again(delay=PAUSE, reason="auth", is_counted=False)),
    ],
)
def test_each_outcome_has_one_consequence(attempt: Attempt, outcome: SendOutcome, wanted: NextStep) -> None:
    """The whole table: refusals come again, an unknown outcome once, a fault of ours free."""
    assert after_attempt(attempt, outcome) == wanted


def test_a_provider_that_names_its_time_is_not_asked_earlier() -> None:
    """Retry-After of a 429 wins over a shorter step of the ladder."""
    later = dt.timedelta(minutes=7)
    step = after_attempt(FIRST, Refused(code="20429", is_permanent=False, retry_after=later))
    assert step == Again(delay=later, reason="20429")


def test_a_message_is_over_at_its_last_instant() -> None:
    """A code that arrives when it is refused already only wakes somebody up."""
    at = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
    assert (is_over(at, at - dt.timedelta(microseconds=1)), is_over(at, at), is_over(None, at)) == (False, True, False)
