"""Which notices come when."""

import datetime as dt
from dataclasses import replace

import pytest

from services.policy.domain.account import Account
from services.policy.domain.notice_plan import enforcement_subjects, enforcement_timers, needs_start_notice
from services.policy.domain.standing import Standing
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.requirement import Covered
from shared.rules.enforcement import Enforcement

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ANN = Standing(
    account=Account(account_id="ann", created_at=NOW),
    policy=Policy(required=Requirement(scope=Scope.ALL)),
    covered=Covered(NOW),
)


def plan(standing: Standing, now: dt.datetime = NOW) -> list[tuple[str, dt.timedelta]]:
    """Subjects of the timers and how far they are from the start."""
    timers = enforcement_timers(standing, standing.enforcement_at(now), now)
    return [(timer.subject, timer.at - NOW) for timer in timers]


def with_days(days: int) -> Standing:
    """Ann under a policy of so many days of grace."""
    return replace(ANN, policy=ANN.policy.model_copy(update={"grace_days": days}))


@pytest.mark.parametrize(
    ("days", "stages"),
    [
        (30, ["ann/7d", "ann/3d", "ann/1d", "ann/1h", "ann"]),
        (8, ["ann/7d", "ann/3d", "ann/1d", "ann/1h", "ann"]),
        (7, ["ann/3d", "ann/1d", "ann/1h", "ann"]),
        (2, ["ann/1d", "ann/1h", "ann"]),
        (1, ["ann/1h", "ann"]),
    ],
)
def test_reminders_that_fit(days: int, stages: list[str]) -> None:
    """At 7, 3 and 1 days and 1 hour; not those that are past, nor one on the heels of the start's notice."""
    assert [subject for subject, _ in plan(with_days(days))] == stages


def test_instants_are_counted_from_the_deadline() -> None:
    """A reminder of one day goes out one day before, whatever time it is."""
    hour = dt.timedelta(hours=1)
    assert plan(ANN) == [("ann/3d", 4 * DAY), ("ann/1d", 6 * DAY), ("ann/1h", 7 * DAY - hour), ("ann", 7 * DAY)]


def test_a_date_has_reminders_and_no_lock() -> None:
    """After it people enrol at the login."""
    policy = Policy(required=Requirement(scope=Scope.ALL), grace_days=None, grace_until=NOW + 2 * DAY)
    assert [subject for subject, _ in plan(replace(ANN, policy=policy))] == ["ann/1d", "ann/1h"]


def test_a_deadline_that_has_passed_leaves_only_the_lock() -> None:
    """Who comes under an old requirement by a change of policy is told so by the lock itself."""
    assert plan(ANN, NOW + 8 * DAY) == [("ann", 7 * DAY)]


def test_who_is_satisfied_has_no_timers() -> None:
    """Never to those already enrolled."""
    assert plan(replace(ANN, held_factors=1)) == []


def test_all_timers_can_be_cancelled_by_their_subjects() -> None:
    """One that was forgotten there would remind people of what they have done."""
    assert {subject for subject, _ in plan(with_days(30))} <= set(enforcement_subjects("ann"))


def test_the_start_is_told_once_for_each_deadline() -> None:
    """Running over the accounts again, as after a crash, tells nobody twice; a new date is told."""
    deadline = NOW + 7 * DAY
    assert needs_start_notice(ANN, ANN.enforcement_at(NOW))
    told = replace(ANN, announced_at=NOW, announced_deadline=deadline)
    assert not needs_start_notice(told, told.enforcement_at(NOW))
    later = replace(told, policy=told.policy.model_copy(update={"grace_days": 9}))
    assert needs_start_notice(later, later.enforcement_at(NOW))
    assert not needs_start_notice(ANN, ANN.enforcement_at(NOW + 8 * DAY))
    assert ANN.enforcement_at(NOW) == Enforcement(ANN.enforcement_at(NOW).state, deadline, locks_at=deadline)
