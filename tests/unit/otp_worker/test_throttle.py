"""The throttle: waits that double, a day that closes, a month that suspends; and what a success does not undo."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.tally import Tally
from services.otp_worker.domain.throttle import (
    DAY,
    MONTH,
    Throttle,
    after_backup_failure,
    after_code_failure,
    after_success,
    backup_codes_closed_until,
    code_factors_closed_until,
    suspends_factor,
    wait_after,
)

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [
        (0, 0),
        (4, 0),
        (5, 30),
        (6, 60),
        (7, 120),
        (8, 240),
        (9, 480),
        (10, 960),
        (11, 1920),
        (12, 3600),
        (13, 3600),
        (5_000, 3600),
    ],
)
def test_the_wait_doubles_up_to_an_hour(failures: int, seconds: int) -> None:
    """min(30·2^(f-5) s, 1 h), without a number of a thousand digits on the way."""
    assert wait_after(failures) == dt.timedelta(seconds=seconds)


def test_four_failures_close_nothing_and_the_fifth_closes_for_half_a_minute() -> None:
    """Half-open: at its end the wait is over."""
    throttle = _fail(Throttle(), 4)
    assert code_factors_closed_until(throttle, NOW) is None
    fifth = _fail(throttle, 1)
    until = code_factors_closed_until(fifth, NOW)
    assert until == NOW + 30 * SECOND
    assert code_factors_closed_until(fifth, NOW + 30 * SECOND) is None


def test_a_success_ends_the_wait_and_not_the_counts() -> None:
    """A thief between two of the owner's logins gets no new tries by them."""
    throttle = after_success(_fail(Throttle(), 19))
    assert code_factors_closed_until(throttle, NOW) is None
    assert (throttle.failures_in_row, throttle.day.count, throttle.month.count) == (0, 19, 19)
    closed = _fail(throttle, 1)
    assert code_factors_closed_until(closed, NOW) == NOW + DAY


def test_the_twentieth_failure_closes_until_a_day_after_the_first() -> None:
    """Counted from the first one: a day is a day, however the guesses are spread."""
    throttle = _fail(Throttle(), 1)
    later = NOW + dt.timedelta(hours=20)
    for _ in range(19):
        throttle = after_code_failure(throttle, later)
    throttle = after_success(throttle)
    assert code_factors_closed_until(throttle, later) == NOW + DAY
    assert code_factors_closed_until(throttle, NOW + DAY - SECOND) == NOW + DAY
    assert code_factors_closed_until(throttle, NOW + DAY) is None


def test_a_failure_after_the_day_opens_the_next_one() -> None:
    """Nineteen yesterday and one today are not twenty in a day."""
    throttle = after_code_failure(_fail(Throttle(), 19), NOW + DAY)
    assert throttle.day == Tally(NOW + DAY, 1)


def test_the_hundredth_within_thirty_days_suspends() -> None:
    """NIST SP 800-63B-4, 3.2.2: at most a hundred; ours over a month, successes or not."""
    throttle = Throttle(month=Tally(NOW - MONTH + SECOND, 98))
    assert not suspends_factor(after_code_failure(throttle, NOW), NOW)
    assert suspends_factor(_fail(throttle, 2), NOW)
    old = Throttle(month=Tally(NOW - MONTH, 99))
    assert not suspends_factor(after_code_failure(old, NOW), NOW)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_code_has_a_count_of_its_own(kind: Kind) -> None:
    """Ten a day; guessing at paper shuts out no phone and no other paper, nor the other way round."""
    throttle = Throttle()
    for _ in range(10):
        assert backup_codes_closed_until(throttle, kind, NOW) is None
        throttle = after_backup_failure(throttle, kind, NOW)
    assert backup_codes_closed_until(throttle, kind, NOW) == NOW + DAY
    assert backup_codes_closed_until(throttle, kind, NOW + DAY) is None
    assert code_factors_closed_until(throttle, NOW) is None
    assert {backup_codes_closed_until(throttle, other, NOW) for other in Kind if other is not kind} == {None}
    assert backup_codes_closed_until(_fail(Throttle(), 30), kind, NOW) is None


@given(st.lists(st.integers(0, 7200), max_size=200))
def test_nobody_gets_more_than_twenty_guesses_a_day(gaps: list[int]) -> None:
    """Whatever the rhythm, and with a success after each guess, as if the owner signed in between."""
    throttle, now, judged = Throttle(), NOW, []
    for gap in gaps:
        now += gap * SECOND
        if code_factors_closed_until(throttle, now) is None:
            judged.append(now)
            throttle = after_success(after_code_failure(throttle, now))
    started = judged[0] if judged else NOW
    assert sum(at < started + DAY for at in judged) <= 20


@given(st.integers(5, 60), st.integers(0, 100_000))
def test_a_wait_is_never_shorter_than_the_one_before(failures: int, seconds: int) -> None:
    """Longer and longer, up to the hour."""
    assert wait_after(failures + 1) >= wait_after(failures)
    until = code_factors_closed_until(_fail(Throttle(), failures), NOW + seconds * SECOND)
    assert until is None or until > NOW + seconds * SECOND


def _fail(throttle: Throttle, times: int) -> Throttle:
    for _ in range(times):
        throttle = after_code_failure(throttle, NOW)
    return throttle
