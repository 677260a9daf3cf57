"""Challenges and sends: bounded, spaced, half-open in time."""

import dataclasses
import datetime as dt
from uuid import UUID

import pytest

from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.challenge import (
    LIFETIME,
    Challenge,
    Issue,
    Reuse,
    TooMany,
    closed_reason,
    fail_backup_code,
    fail_code,
    fail_mailed_code,
    open_one,
)
from services.otp_worker.domain.sending import (
    Budget,
    Send,
    SentCode,
    TooManySends,
    TooSoon,
    alive,
    decide_send,
    seconds_until,
)
from services.otp_worker.domain.tally import Tally
from services.otp_worker.domain.throttle import Throttle
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState, Channel, FactorId, Purpose

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
PHONE = FactorId(UUID(int=7))
CHALLENGE = Challenge(
    id=ChallengeId(UUID(int=1)),
    account_id="ann",
    purpose=Purpose.SIGN_IN,
    state=ChallengeState.OPEN,
    context="browser",
    created_at=NOW,
    expires_at=NOW + LIFETIME,
)


@pytest.mark.parametrize(
    ("state", "seconds", "reason"),
    [
        (ChallengeState.OPEN, 0, None),
        (ChallengeState.OPEN, 599, None),
        (ChallengeState.OPEN, 600, RefusalCode.CHALLENGE_EXPIRED),
        (ChallengeState.EXPIRED, 0, RefusalCode.CHALLENGE_EXPIRED),
        (ChallengeState.EXHAUSTED, 0, RefusalCode.CHALLENGE_EXHAUSTED),
        (ChallengeState.VERIFIED, 0, RefusalCode.CHALLENGE_NOT_OPEN),
        (ChallengeState.REDEEMED, 0, RefusalCode.CHALLENGE_NOT_OPEN),
        (ChallengeState.CANCELLED, 0, RefusalCode.CHALLENGE_NOT_OPEN),
    ],
)
def test_a_challenge_says_why_it_is_over(state: ChallengeState, seconds: int, reason: RefusalCode | None) -> None:
    """At `expires_at` it is over, whether anybody has written that down or not."""
    challenge = dataclasses.replace(CHALLENGE, state=state)
    assert closed_reason(challenge, NOW + seconds * SECOND) is reason


def test_the_fifth_failure_exhausts() -> None:
    """Whatever was tried: codes, backup codes and mailboxes share the five."""
    fourth = dataclasses.replace(CHALLENGE, attempts=4)
    for failure in (
        fail_code(fourth, Throttle(), NOW),
        fail_backup_code(fourth, Throttle(), Kind.BACKUP_CODE, NOW),
        fail_mailed_code(fourth, Throttle()),
    ):
        assert (failure.is_exhausted, failure.attempts_left) == (True, 0)
    assert not fail_code(dataclasses.replace(CHALLENGE, attempts=3), Throttle(), NOW).is_exhausted


def test_each_kind_of_failure_has_its_own_count() -> None:
    """Paper, phone and mailbox must not shut each other out."""
    code, backup, mailed = (
        fail_code(CHALLENGE, Throttle(), NOW).throttle,
        fail_backup_code(CHALLENGE, Throttle(), Kind.BACKUP_CODE, NOW).throttle,
        fail_mailed_code(CHALLENGE, Throttle()).throttle,
    )
    assert (code.day.count, code.backup_day.count) == (1, 0)
    assert (backup.day.count, backup.backup_day.count) == (0, 1)
    assert mailed == Throttle()


def test_the_same_asked_again_is_the_open_one() -> None:
    """Same purpose, same context; anything else is another challenge, of which three may be open."""
    others = [
        dataclasses.replace(CHALLENGE, id=ChallengeId(UUID(int=number)), context=f"browser {number}")
        for number in (2, 3)
    ]
    assert open_one([CHALLENGE, *others], Purpose.SIGN_IN, "browser", NOW) == Reuse(CHALLENGE)
    assert open_one(others, Purpose.SIGN_IN, "browser", NOW) == Issue()
    assert open_one([CHALLENGE, *others], Purpose.STEP_UP, "browser", NOW) == TooMany(
        NOW + LIFETIME, tuple(each.id for each in (CHALLENGE, *others))
    )
    assert open_one([CHALLENGE, *others], Purpose.SIGN_IN, "browser", NOW + LIFETIME) == Issue()


def test_an_enrolments_own_challenge_is_in_nobodys_way() -> None:
    """Three pending phones must not keep anybody from signing in."""
    own = [dataclasses.replace(CHALLENGE, factor_id=PHONE, purpose=Purpose.ENROLMENT)] * 3
    assert open_one(own, Purpose.SIGN_IN, "browser", NOW) == Issue()


@pytest.mark.parametrize(("sends", "wait"), [(0, 30), (1, 60), (2, 120), (3, None)])
def test_each_send_makes_the_next_one_wait_longer(sends: int, wait: int | None) -> None:
    """30, 60, 120 s; after the fourth there is none."""
    decided = decide_send(dataclasses.replace(CHALLENGE, sends=sends), Budget(), Channel.SMS, NOW)
    assert isinstance(decided, Send)
    assert decided.next_send_at == (None if wait is None else NOW + wait * SECOND)
    assert decided.budget.sms == Tally(NOW, 1)


def test_a_send_too_early_or_too_many_is_refused() -> None:
    """With the instant at which it is worth asking again."""
    waiting = dataclasses.replace(CHALLENGE, sends=1, next_send_at=NOW + SECOND)
    assert decide_send(waiting, Budget(), Channel.SMS, NOW) == TooSoon(NOW + SECOND)
    assert isinstance(decide_send(waiting, Budget(), Channel.SMS, NOW + SECOND), Send)
    over = TooManySends(CHALLENGE.expires_at, is_of_challenge=True)
    assert decide_send(dataclasses.replace(CHALLENGE, sends=4), Budget(), Channel.SMS, NOW) == over


@pytest.mark.parametrize(("channel", "limit"), [(Channel.EMAIL, 20), (Channel.SMS, 10)])
def test_a_day_has_a_budget_a_channel(channel: Channel, limit: int) -> None:
    """Over all challenges: a new login is no new budget."""
    spent = Tally(NOW - 3600 * SECOND, limit)
    budget = Budget(mails=spent) if channel is Channel.EMAIL else Budget(sms=spent)
    assert decide_send(CHALLENGE, budget, channel, NOW) == TooManySends(NOW + 23 * 3600 * SECOND)
    other = Channel.SMS if channel is Channel.EMAIL else Channel.EMAIL
    assert isinstance(decide_send(CHALLENGE, budget, other, NOW), Send)


def test_a_code_never_outlives_its_challenge() -> None:
    """Sent in the ninth minute it lives for one, and its text says so."""
    late = NOW + 540 * SECOND
    decided = decide_send(CHALLENGE, Budget(), Channel.EMAIL, late)
    assert isinstance(decided, Send)
    assert (decided.expires_at, decided.minutes(late)) == (CHALLENGE.expires_at, 1)


def test_the_newest_three_of_a_challenge_are_alive_for_their_factor() -> None:
    """A late SMS may be typed; four chances to guess are one too many."""
    codes = [
        SentCode(
            id=UUID(int=number),
            factor_id=PHONE if number != 3 else None,
            digest=str(number),
            created_at=NOW,
            expires_at=NOW + 600 * SECOND,
        )
        for number in (1, 2, 3, 4)
    ]
    assert [code.digest for code in alive(codes, PHONE, NOW)] == ["4", "2"]
    assert [code.digest for code in alive(codes, None, NOW)] == ["3"]
    assert alive(codes, PHONE, NOW + 600 * SECOND) == []


def test_seconds_are_rounded_up_and_never_zero() -> None:
    """An answer of "retry after 0" is an invitation to hammer."""
    assert seconds_until(NOW + dt.timedelta(milliseconds=1), NOW) == 1
    assert seconds_until(NOW, NOW) == 1
    assert seconds_until(NOW + 30 * SECOND, NOW) == 30
    assert seconds_until(None, NOW) is None
