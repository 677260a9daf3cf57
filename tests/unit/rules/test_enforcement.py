"""The rule that both the login and the timers decide by."""

import datetime as dt
from dataclasses import replace

import pytest

from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.types import EnforcementState, Role
from shared.rules.enforcement import Enforcement, EnforcementFacts, enforcement_of

START = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)

ALL = Requirement(scope=Scope.ALL)
SEVEN_DAYS = Policy(required=ALL, grace_days=7)
BY_DATE = Policy(required=ALL, grace_days=None, grace_until=START + 30 * DAY)
AT_ONCE = Policy(required=ALL, grace_days=None)

AGENT = EnforcementFacts(
    role=Role.AGENT,
    is_active=True,
    is_sso=False,
    held_factors=0,
    was_satisfied=False,
    subject_since=START - 100 * DAY,
    required_since=START,
)


def grace(deadline: dt.datetime) -> Enforcement:
    """Grace that ends with a lock."""
    return Enforcement(EnforcementState.GRACE, deadline, locks_at=deadline)


def state_of(policy: Policy, facts: EnforcementFacts, now: dt.datetime) -> EnforcementState:
    """Only the state: most rows of the tables here have no deadline."""
    return enforcement_of(policy, facts, now).state


@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        (Policy(), AGENT),
        (Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.ADMIN,))), AGENT),
        (SEVEN_DAYS, replace(AGENT, is_active=False)),
        (SEVEN_DAYS, replace(AGENT, is_sso=True)),
    ],
)
def test_whom_no_requirement_covers_is_left_alone(policy: Policy, facts: EnforcementFacts) -> None:
    """A person who is not asked for a second factor is never reminded nor locked out."""
    assert enforcement_of(policy, facts, START + 100 * DAY) == Enforcement(EnforcementState.NOT_REQUIRED)


def test_one_account_can_be_required_alone() -> None:
    """An admin may ask one person for a second factor while the policy asks nobody."""
    required = replace(AGENT, is_individually_required=True, individually_required_since=START, required_since=None)
    assert enforcement_of(Policy(), required, START).deadline == START + 7 * DAY


def test_a_role_in_scope_is_covered() -> None:
    """The requirement for a role reaches the accounts of that role."""
    policy = Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.AGENT,)))
    assert state_of(policy, AGENT, START) is EnforcementState.GRACE


def test_the_earlier_of_two_requirements_counts() -> None:
    """Whom the policy has asked for long, gets no new week by being asked alone; nor the other way round."""
    lately = replace(AGENT, is_individually_required=True, individually_required_since=START + 20 * DAY)
    assert state_of(SEVEN_DAYS, lately, START + 21 * DAY) is EnforcementState.LOCKED_OUT
    first = replace(lately, individually_required_since=START - 20 * DAY)
    assert enforcement_of(SEVEN_DAYS, first, START).deadline == START - 13 * DAY


def test_an_exemption_holds_until_its_instant_and_leaves_a_day() -> None:
    """Half-open; and who comes back from leave is told by when to enrol, not locked out on the doorstep."""
    facts = replace(AGENT, exempt_until=START + 20 * DAY)
    before = enforcement_of(SEVEN_DAYS, facts, START + 20 * DAY - TICK)
    assert before == Enforcement(EnforcementState.EXEMPT, exempt_until=START + 20 * DAY)
    after = enforcement_of(SEVEN_DAYS, facts, START + 20 * DAY)
    assert after == grace(START + 21 * DAY)
    assert state_of(SEVEN_DAYS, facts, START + 21 * DAY) is EnforcementState.LOCKED_OUT
    assert state_of(AT_ONCE, facts, START + 20 * DAY) is EnforcementState.MUST_ENROL


def test_an_active_factor_satisfies_even_after_the_deadline() -> None:
    """Enrolling is the way out of a lock: nothing else may stand in front of it."""
    assert state_of(SEVEN_DAYS, replace(AGENT, held_factors=1), START + 50 * DAY) is EnforcementState.SATISFIED


@pytest.mark.parametrize(
    ("policy", "now", "expected"),
    [
        (SEVEN_DAYS, START, grace(START + 7 * DAY)),
        (SEVEN_DAYS, START + 7 * DAY - TICK, grace(START + 7 * DAY)),
        (SEVEN_DAYS, START + 7 * DAY, Enforcement(EnforcementState.LOCKED_OUT, START + 7 * DAY)),
        (BY_DATE, START + 30 * DAY - TICK, Enforcement(EnforcementState.GRACE, START + 30 * DAY)),
        (BY_DATE, START + 30 * DAY, Enforcement(EnforcementState.MUST_ENROL)),
        (AT_ONCE, START, Enforcement(EnforcementState.MUST_ENROL)),
    ],
)
def test_the_grace_period_ends_at_its_deadline(policy: Policy, now: dt.datetime, expected: Enforcement) -> None:
    """Days lock out by default, a date leads to enrolment, and without either people enrol at once."""
    assert enforcement_of(policy, AGENT, now) == expected


def test_what_follows_grace_can_be_said() -> None:
    """The tenant's word goes before the default, both ways."""
    days = SEVEN_DAYS.model_copy(update={"after_grace": AfterGrace.ENROL})
    date = BY_DATE.model_copy(update={"after_grace": AfterGrace.LOCK_OUT})
    assert state_of(days, AGENT, START + 7 * DAY) is EnforcementState.MUST_ENROL
    assert enforcement_of(date, AGENT, START + 31 * DAY) == Enforcement(EnforcementState.LOCKED_OUT, START + 30 * DAY)


def test_of_days_and_a_date_the_later_counts() -> None:
    """Whoever sets both means that nobody is locked out before either."""
    both = Policy(required=ALL, grace_days=60, grace_until=START + 30 * DAY)
    assert enforcement_of(both, AGENT, START).deadline == START + 60 * DAY
    assert enforcement_of(both.model_copy(update={"grace_days": 1}), AGENT, START).deadline == START + 30 * DAY


def test_a_date_in_the_past_leaves_a_day() -> None:
    """A policy with yesterday's date must not lock a whole helpdesk out on the spot."""
    late = BY_DATE.model_copy(update={"grace_until": START - DAY})
    assert enforcement_of(late, AGENT, START).deadline == START + DAY
    assert state_of(late, AGENT, START + DAY) is EnforcementState.MUST_ENROL


def test_grace_starts_when_the_account_became_subject() -> None:
    """Who joins, changes role or leaves SSO later gets the whole period."""
    newcomer = replace(AGENT, subject_since=START + 40 * DAY)
    assert enforcement_of(SEVEN_DAYS, newcomer, START + 41 * DAY) == grace(START + 47 * DAY)


@pytest.mark.parametrize("changes", [{"was_satisfied": True}, {"must_enrol_since": START}])
def test_nobody_gets_a_second_grace(changes: dict[str, object]) -> None:
    """Removing a factor, or having it removed, must not buy days without one."""
    facts = replace(AGENT, **changes)  # type: ignore[arg-type]
    assert enforcement_of(SEVEN_DAYS, facts, START) == Enforcement(EnforcementState.MUST_ENROL)


@pytest.mark.parametrize("changes", [{}, {"was_satisfied": True}, {"must_enrol_since": START}])
def test_an_unlock_is_grace_until_its_instant(changes: dict[str, object]) -> None:
    """An admin's word opens the account whatever closed it, and closes again by itself."""
    facts = replace(AGENT, extended_until=START + 20 * DAY, **changes)  # type: ignore[arg-type]
    inside = enforcement_of(SEVEN_DAYS, facts, START + 20 * DAY - TICK)
    assert (inside.state, inside.deadline) == (EnforcementState.GRACE, START + 20 * DAY)
    assert state_of(SEVEN_DAYS, facts, START + 20 * DAY) in (
        EnforcementState.LOCKED_OUT,
        EnforcementState.MUST_ENROL,
    )


def test_an_unlock_never_shortens_the_grace_period() -> None:
    """Four hours given to somebody who has days left take nothing away."""
    facts = replace(AGENT, extended_until=START + DAY / 6)
    assert enforcement_of(SEVEN_DAYS, facts, START).deadline == START + 7 * DAY
