"""Which endpoint hears of what, and what follows an attempt."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.webhook import (
    OFFSETS,
    TRIAL,
    Answered,
    Delivered,
    GivenUp,
    Gone,
    Later,
    Unanswered,
    after_post,
    has_failed_for_long,
    takes,
)

HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("filters", "event", "expected"),
    [
        (["*"], "login.decided", True),
        (["login.decided"], "login.decided", True),
        (["login.*"], "login.decided", True),
        (["factor.*", "login.decided"], "login.decided", True),
        (["factor.*"], "login.decided", False),
        (["log.*"], "login.decided", False),
        (["login"], "login.decided", False),
        (["*"], TRIAL, False),
        ([TRIAL], TRIAL, False),
    ],
)
def test_an_endpoint_hears_what_its_filter_takes(filters: list[str], event: str, *, expected: bool) -> None:
    """A trial goes to the endpoint that it is of, and was queued for that one already."""
    assert takes(filters, event) is expected


def test_the_schedule_is_ten_attempts_within_a_day() -> None:
    """A receiver that is down for a night gets everything in the morning; what is over after a day is given up."""
    at, times = dt.timedelta(), [dt.timedelta()]
    for attempts in range(1, 10):
        step = after_post(Answered(status=500), attempts=attempts, elapsed=at, jitter=0)
        assert isinstance(step, Later)
        at += step.delay
        times.append(at)
    assert tuple(times) == OFFSETS
    assert after_post(Answered(status=500), attempts=10, elapsed=at, jitter=0) == GivenUp(reason="http_500", status=500)


@given(
    attempts=st.integers(min_value=1, max_value=9),
    elapsed=st.timedeltas(min_value=dt.timedelta(), max_value=dt.timedelta(days=3)),
    jitter=st.floats(min_value=0, max_value=1),
)
def test_a_next_attempt_is_never_at_once_and_never_far_off(attempts: int, elapsed: dt.timedelta, jitter: float) -> None:
    """A schedule that was overtaken must not become a tight loop, nor chance a longer wait than a tenth."""
    step = after_post(Unanswered(reason="timeout"), attempts=attempts, elapsed=elapsed, jitter=jitter)
    assert isinstance(step, Later)
    assert dt.timedelta(seconds=5) <= step.delay <= max(OFFSETS[attempts] - elapsed, dt.timedelta(seconds=5)) * 1.1001


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_one(status: int) -> None:
    """Receivers answer with what their framework likes."""
    assert after_post(Answered(status=status), attempts=1, elapsed=dt.timedelta(), jitter=0) == Delivered(status=status)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure(status: int) -> None:
    """Followed, it would lead where nobody has looked whether we may go."""
    step = after_post(Answered(status=status), attempts=1, elapsed=dt.timedelta(), jitter=0)
    assert isinstance(step, Later)
    assert (step.reason, step.status) == ("redirected", status)


def test_410_ends_it() -> None:
    """The receiver says itself that it wants nothing any more."""
    assert after_post(Answered(status=410), attempts=1, elapsed=dt.timedelta(), jitter=0) == Gone()


def test_what_the_endpoint_asks_for_is_waited() -> None:
    """Retry-After stretches the schedule and never shortens it; nobody parks us for longer than a day."""

    def delay(wait: dt.timedelta, attempts: int = 1) -> Later:
        answer = Answered(status=429, retry_after=wait)
        step = after_post(answer, attempts=attempts, elapsed=dt.timedelta(), jitter=0)
        assert isinstance(step, Later)
        return step

    assert (delay(HOUR).delay, delay(HOUR).pause) == (HOUR, HOUR)
    assert delay(dt.timedelta(seconds=1), attempts=2).delay == OFFSETS[2]
    assert delay(1000 * HOUR).pause == 24 * HOUR
    assert delay(dt.timedelta()).pause is None


def test_an_endpoint_is_given_up_after_a_day_without_a_success() -> None:
    """Whoever does not listen for a day is told once, and not posted to for years."""
    assert not has_failed_for_long(dt.timedelta(hours=23, minutes=59))
    assert has_failed_for_long(dt.timedelta(hours=24))
