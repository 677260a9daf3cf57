"""The decisions of a recovery."""

import datetime as dt
from dataclasses import replace

import pytest

from services.policy.domain.account import Account
from services.policy.domain.recovery_request import (
    ATTACK,
    MayNot,
    MayStart,
    RecoveryRequest,
    is_elsewhere,
    is_real_success,
    may_start,
    ready_at,
    recovery_subjects,
    told_end,
    waiting_timers,
)
from services.policy.domain.standing import Standing
from shared.contracts.policy import Policy, RecoverySettings
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, Channel, Contact, Method, Purpose, RecoveryId, RecoveryState
from shared.ids import new_id

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
TICK = dt.timedelta(microseconds=1)
MAILBOX = Contact(sealed="v1.k1.x", masked="a•••@example.com", digest="a")
ANN = Standing(
    account=Account(account_id="ann", created_at=NOW - 400 * DAY, email=MAILBOX, email_verified=True),
    held_factors=1,
)
WAITING = RecoveryRequest(
    recovery_id=RecoveryId(new_id()),
    account_id="ann",
    state=RecoveryState.WAITING,
    challenge_id=ChallengeId(new_id()),
    challenge_opened_at=NOW,
    mailbox_masked=MAILBOX.masked,
    requested_at=NOW,
    draft_until=NOW + DAY,
    proved_at=NOW,
    ready_at=NOW + DAY,
)


def ended(at: dt.datetime, reason: str = "cancelled") -> RecoveryRequest:
    """A request that is over."""
    return replace(WAITING, state=RecoveryState.CANCELLED, requested_at=at, ended_at=at + HOUR, end_reason=reason)


def test_it_may_start_with_a_settled_mailbox() -> None:
    """The ordinary case."""
    assert may_start(ANN, [], NOW) == MayStart(MAILBOX)


@pytest.mark.parametrize(
    ("standing", "code", "why"),
    [
        (replace(ANN, held_factors=0), RefusalCode.RECOVERY_NOT_OFFERED, "no second factor"),
        (replace(ANN, has_email_factor=True), RefusalCode.RECOVERY_NOT_OFFERED, "e-mail factor"),
        (replace(ANN, account=replace(ANN.account, is_sso=True)), RefusalCode.RECOVERY_NOT_OFFERED, "SSO"),
        (
            replace(ANN, policy=Policy(recovery=RecoverySettings(enabled=False))),
            RefusalCode.RECOVERY_NOT_OFFERED,
            "policy does not offer it",
        ),
        (replace(ANN, account=replace(ANN.account, is_active=False)), RefusalCode.ACCOUNT_INACTIVE, ""),
        (replace(ANN, account=replace(ANN.account, email=None)), RefusalCode.NO_MAILBOX, "no address"),
        (
            replace(ANN, account=replace(ANN.account, email_verified=False)),
            RefusalCode.NO_MAILBOX,
            "Nobody has verified",
        ),
        (
            replace(ANN, account=replace(ANN.account, email_changed_at=NOW - DAY)),
            RefusalCode.NO_MAILBOX,
            "counts from 2027-03-07T09:00:00+00:00",
        ),
    ],
)
def test_where_it_is_not_offered(standing: Standing, code: RefusalCode, why: str) -> None:
    """Each reason has its own words, so that the page can say what helps: the account says `email_verified` all the
    while that its address does not count yet.
    """
    found = may_start(standing, [], NOW)
    assert isinstance(found, MayNot)
    assert found.code is code
    assert why in (found.detail or "")


def test_three_in_thirty_days_and_when_it_helps_to_come_back() -> None:
    """The first of the three leaves the window first."""
    earlier = [ended(NOW - days * DAY) for days in (1, 10, 29)]
    assert may_start(ANN, earlier[:2], NOW) == MayStart(MAILBOX)
    assert may_start(ANN, earlier, NOW) == MayNot(RefusalCode.TOO_MANY_RECOVERIES, DAY)
    assert may_start(ANN, earlier, NOW + DAY - TICK) == MayNot(RefusalCode.TOO_MANY_RECOVERIES, TICK)
    assert may_start(ANN, earlier, NOW + DAY) == MayStart(MAILBOX)


def test_an_attack_is_followed_by_a_day_of_rest() -> None:
    """Whoever asked will ask again."""
    attack = [ended(NOW - 2 * HOUR, ATTACK)]
    found = may_start(ANN, attack, NOW)
    assert isinstance(found, MayNot)
    assert (found.code, found.retry_after) == (RefusalCode.TOO_SOON, 23 * HOUR)
    assert "An admin can help" in (found.detail or "")
    assert may_start(ANN, attack, NOW + 23 * HOUR) == MayStart(MAILBOX)


@pytest.mark.parametrize(
    ("password", "address", "expected"),
    [
        (None, None, NOW + DAY),
        (NOW - 100 * DAY, NOW - 100 * DAY, NOW + DAY),
        (NOW - HOUR, None, NOW + 71 * HOUR),
        (NOW - 60 * HOUR, None, NOW + DAY),
        (None, NOW - HOUR, NOW + 7 * DAY - HOUR),
        (NOW, NOW, NOW + 7 * DAY),
    ],
)
def test_when_it_is_ready(password: dt.datetime | None, address: dt.datetime | None, expected: dt.datetime) -> None:
    """A day; three after a change of password, seven after one of address: what a thief changes first."""
    account = replace(ANN.account, password_changed_at=password, email_changed_at=address)
    assert ready_at(replace(ANN, account=account), NOW) == expected


def test_the_tenant_may_ask_for_more_patience() -> None:
    """Its own hours take the place of the twenty-four."""
    patient = replace(ANN, policy=Policy(recovery=RecoverySettings(wait_hours=72)))
    assert ready_at(patient, NOW) == NOW + 3 * DAY


def test_notices_at_half_time_and_one_hour_before() -> None:
    """And the end itself; what is past is left out."""

    def at(now: dt.datetime) -> list[tuple[str, dt.timedelta]]:
        return [
            (timer.subject.removeprefix(str(WAITING.recovery_id)), timer.at - NOW)
            for timer in waiting_timers(WAITING, now)
        ]

    assert at(NOW) == [("/half_time", 12 * HOUR), ("/last_hour", 23 * HOUR), ("", DAY)]
    assert at(NOW + 12 * HOUR) == [("/last_hour", 23 * HOUR), ("", DAY)]
    assert {timer.subject for timer in waiting_timers(WAITING, NOW)} == set(recovery_subjects(WAITING.recovery_id))


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        (RecoveryState.CANCELLED, "signed_in", "signed_in"),
        (RecoveryState.CANCELLED, "real_success", "signed_in"),
        (RecoveryState.CANCELLED, "admin_reset", "gone"),
        (RecoveryState.SUPERSEDED, "asked", "gone"),
        (RecoveryState.DENIED, "attack", "denied"),
        (RecoveryState.CANCELLED, "attack", "attack"),
        (RecoveryState.CANCELLED, "unheard", "unheard"),
        (RecoveryState.CANCELLED, "sso", "left"),
        (RecoveryState.CANCELLED, "cancelled_by_link", "stopped"),
    ],
)
def test_its_owner_is_told_by_what_it_ended(state: RecoveryState, reason: str, told: str) -> None:
    """Each takes another step next: to ask again is no advice where nobody may for a day, or where nothing is left."""
    assert told_end(state, reason) == told


def test_hours_are_told_in_whole_ones() -> None:
    """From now, and the nearest: 72 hours from a change a minute ago were told as 73; the instant is beside it."""
    assert WAITING.hours_left(NOW) == 24
    assert replace(WAITING, ready_at=NOW + 72 * HOUR + MINUTE).hours_left(NOW) == 72
    assert replace(WAITING, ready_at=NOW + 72 * HOUR).hours_left(NOW + MINUTE) == 72
    assert WAITING.hours_left(NOW + DAY - MINUTE) == 1


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("by_factor", [True, False])
def test_what_counts_as_a_real_success(method: Method, by_factor: bool) -> None:  # noqa: FBT001
    """A factor or a saved code; never a trusted device, never a mailbox alone."""
    saved = method in (Method.BACKUP_CODE, Method.RECOVERY_KEY, Method.RECOVERY_CODE)
    expected = saved or (by_factor and method is not Method.TRUSTED_DEVICE)
    assert is_real_success(Purpose.SIGN_IN, method, by_factor=by_factor) is expected


def test_a_request_under_execution_is_nobodys_to_end() -> None:
    """Nor is there anything left to remind of."""
    executing = replace(WAITING, executing_at=NOW)
    assert (WAITING.may_end, executing.may_end) == (True, False)
    assert (WAITING.is_waiting_at(NOW), executing.is_waiting_at(NOW)) == (True, False)
    assert not WAITING.is_waiting_at(NOW + DAY)


def test_the_proving_mailbox_is_no_witness() -> None:
    """Whoever proved it would read the notice, too; a phone or another address is somebody else's eyes."""
    assert not is_elsewhere(WAITING, Channel.EMAIL, MAILBOX.masked)
    assert is_elsewhere(WAITING, Channel.EMAIL, "b•••@example.com")
    assert is_elsewhere(WAITING, Channel.SMS, MAILBOX.masked)
