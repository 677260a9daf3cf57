"""Since when a policy covers whom, and what it replaced."""

import datetime as dt

import pytest

from services.policy.domain.requirement import MOST_EARLIER, StoredPolicy, may_lock_out_admins, replaced
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.requirement import COVERED, EARLIER, Covered, EarlierPolicy
from shared.contracts.types import FactorType, Role

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
OFF = Policy()
ALL = Policy(required=Requirement(scope=Scope.ALL))
ADMINS = Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.ADMIN,)))
TERMS = ALL.model_copy(update={"after_grace": AfterGrace.LOCK_OUT})  # of ALL, its default said

FIRST = replaced(StoredPolicy(), ALL, NOW)


def days(count: int) -> Policy:
    """Everybody has so many days."""
    return ALL.model_copy(update={"grace_days": count})


def test_a_requirement_starts_when_it_is_set() -> None:
    """For every role that it covers."""
    assert FIRST.version == 1
    assert FIRST.requirements == dict.fromkeys(Role, Covered(NOW, resumed_at=NOW))
    assert replaced(StoredPolicy(), ADMINS, NOW).requirements == {Role.ADMIN: Covered(NOW, resumed_at=NOW)}


def test_another_setting_does_not_restart_it() -> None:
    """More grace days are not a new requirement."""
    again = replaced(FIRST, days(30), NOW + DAY)
    assert (again.version, again.requirements) == (2, FIRST.requirements)


def test_off_and_on_within_thirty_days_goes_on() -> None:
    """Half-open: after thirty days it is a new one."""
    off = replaced(FIRST, OFF, NOW + DAY)
    paused = EarlierPolicy(TERMS, NOW + DAY)
    assert off.requirements[Role.AGENT] == Covered(NOW, NOW + DAY, resumed_at=NOW, paused=paused)
    assert not off.is_required
    again, anew = NOW + 31 * DAY - TICK, NOW + 31 * DAY
    assert replaced(off, ALL, again).requirements[Role.AGENT] == Covered(NOW, resumed_at=again, paused=paused)
    assert replaced(off, ALL, anew).requirements[Role.AGENT] == Covered(anew, resumed_at=anew)


def test_staying_off_keeps_the_first_end() -> None:
    """Saving a policy that is off must not stretch the thirty days."""
    off = replaced(FIRST, OFF, NOW + DAY)
    assert replaced(off, OFF, NOW + 20 * DAY).requirements == off.requirements


def test_a_wider_scope_starts_for_the_new_roles_only() -> None:
    """The others have had their notice."""
    wider = replaced(replaced(StoredPolicy(), ADMINS, NOW), ALL, NOW + 100 * DAY)
    assert wider.requirements[Role.ADMIN].since == NOW
    assert wider.requirements[Role.AGENT].since == NOW + 100 * DAY


def test_what_was_replaced_is_known_for_a_day() -> None:
    """So long it holds for who had until later; then it is forgotten, and a login reads nothing of it."""
    shorter = replaced(replaced(StoredPolicy(), days(30), NOW), days(7), NOW + DAY)
    assert [each.policy.grace_days for each in shorter.earlier] == [30]
    next_day = replaced(shorter, days(5), NOW + 2 * DAY)
    assert [each.policy.grace_days for each in next_day.earlier] == [7]


def test_the_same_policy_twice_counts_from_its_last_end() -> None:
    """Whoever saves to and fro all day leaves two, not a hundred."""
    stored = FIRST
    for minute in range(100):
        stored = replaced(stored, days(7 if minute % 2 else 9), NOW + DAY + dt.timedelta(minutes=minute))
    assert len(stored.earlier) == 2


def test_not_more_policies_than_a_login_may_read_are_remembered() -> None:
    """A script that saves all day long must not make every login dear."""
    stored = FIRST
    for count in range(MOST_EARLIER + 5):
        stored = replaced(stored, days(count), NOW)
    assert len(stored.earlier) == MOST_EARLIER


def test_what_touches_no_deadline_is_no_earlier_policy() -> None:
    """Another method allowed changes nobody's date."""
    assert replaced(FIRST, ALL.model_copy(update={"methods": (FactorType.TOTP,)}), NOW + DAY).earlier == ()


def test_immediately_means_that_nobody_has_a_day_more() -> None:
    """The word of the tenant, for the day on which that is needed."""
    hard = replaced(replaced(StoredPolicy(), days(30), NOW), days(1), NOW + DAY, is_immediate=True)
    assert hard.earlier == ()
    assert hard.requirements[Role.AGENT] == Covered(NOW)


def test_history_survives_storing() -> None:
    """A policy without grace days must not come back with seven."""
    off = replaced(replaced(FIRST, ALL.model_copy(update={"grace_days": None}), NOW), OFF, NOW + DAY)
    [covered] = {each.since: each for each in off.requirements.values()}.values()
    assert COVERED.validate_python(COVERED.dump_python(covered, mode="json")) == covered
    assert EARLIER.validate_python(EARLIER.dump_python(off.earlier, mode="json")) == off.earlier


@pytest.mark.parametrize(
    ("policy", "may"),
    [
        (OFF, False),
        (ALL, True),
        (ADMINS, True),
        (Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.AGENT,))), False),
        (ALL.model_copy(update={"grace_days": None}), False),
        (ALL.model_copy(update={"after_grace": AfterGrace.ENROL}), False),
    ],
)
def test_only_a_lock_after_a_deadline_can_lock_admins_out(policy: Policy, *, may: bool) -> None:
    """Where the next login leads to enrolment the way in stays open, and no admin needs to be saved from it."""
    assert may_lock_out_admins(policy) is may
