"""Another policy locks nobody out on the spot, and lets nobody in who was locked out: the notice, for all cases."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.requirement import StoredPolicy, replaced
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.types import EnforcementState, Role
from shared.rules.enforcement import SHORTEST_NOTICE, Enforcement, EnforcementFacts, enforcement_of, outlook

START = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
NOBODY = Policy()
ALL = Requirement(scope=Scope.ALL)

_FREE = (EnforcementState.NOT_REQUIRED, EnforcementState.EXEMPT, EnforcementState.SATISFIED)
_LOCKED = EnforcementState.LOCKED_OUT


def days(count: int | None, *, then: AfterGrace | None = None) -> Policy:
    """Everybody has so many days."""
    return Policy(required=ALL, grace_days=count, after_grace=then)


def facts_under(
    stored: StoredPolicy, since: dt.datetime = START - 100 * DAY, required_since: dt.datetime | None = None
) -> EnforcementFacts:
    """An agent without a factor, as the stored policy is read for it."""
    covered = stored.requirements.get(Role.AGENT)
    return EnforcementFacts(
        role=Role.AGENT,
        is_active=True,
        is_sso=False,
        held_factors=0,
        was_satisfied=False,
        subject_since=since,
        required_since=covered.since if covered else None,
        resumed_at=covered.resumed_at if covered else None,
        paused=covered.paused if covered else None,
        earlier=stored.earlier,
        is_individually_required=required_since is not None,
        individually_required_since=required_since,
    )


def stands(stored: StoredPolicy, now: dt.datetime) -> Enforcement:
    """Where such an agent stands."""
    return enforcement_of(stored.policy, facts_under(stored), now)


def saved(*steps: tuple[dt.timedelta, Policy]) -> StoredPolicy:
    """Policies saved one after the other, at so long after the start."""
    stored = StoredPolicy()
    for after, policy in steps:
        stored = replaced(stored, policy, START + after)
    return stored


def test_a_shorter_deadline_leaves_a_day() -> None:
    """From thirty days to seven on the tenth: until the eleventh, not since the seventh."""
    stored = saved((0 * DAY, days(30)), (10 * DAY, days(7)))
    assert stands(stored, START + 10 * DAY) == Enforcement(
        EnforcementState.GRACE, START + 11 * DAY, locks_at=START + 11 * DAY
    )
    assert stands(stored, START + 11 * DAY).state is _LOCKED


def test_a_shorter_deadline_takes_nothing_from_the_day_that_was_left() -> None:
    """Who had six hours left keeps six hours, not a day."""
    stored = saved((0 * DAY, days(10)), (10 * DAY - 6 * HOUR, days(7)))
    assert stands(stored, START + 10 * DAY - 6 * HOUR).deadline == START + 10 * DAY


def test_who_was_locked_out_is_not_let_in_by_a_shorter_deadline() -> None:
    """Saving the policy again must not be the way around it."""
    stored = saved((0 * DAY, days(7)), (8 * DAY, days(5)))
    assert stands(stored, START + 8 * DAY).state is _LOCKED


def test_a_longer_deadline_counts_at_once() -> None:
    """It is computed: nobody has to be unlocked one by one."""
    stored = saved((0 * DAY, days(7)), (8 * DAY, days(30)))
    assert stands(stored, START + 8 * DAY).deadline == START + 30 * DAY


def test_enrolment_at_once_leaves_those_in_grace_their_day() -> None:
    """They were told a date; everybody else enrols at the next login."""
    stored = saved((0 * DAY, days(7)), (2 * DAY, days(None)))
    assert stands(stored, START + 2 * DAY) == Enforcement(EnforcementState.GRACE, START + 3 * DAY)
    assert stands(stored, START + 3 * DAY).state is EnforcementState.MUST_ENROL
    assert stands(saved((0 * DAY, days(None))), START).state is EnforcementState.MUST_ENROL
    locked = saved((0 * DAY, days(7)), (8 * DAY, days(None)))
    assert stands(locked, START + 8 * DAY).state is EnforcementState.MUST_ENROL


def test_a_lock_where_enrolment_was_asked_comes_a_day_later() -> None:
    """Meanwhile they enrol as before: a day's notice is no new grace."""
    stored = saved((0 * DAY, days(7, then=AfterGrace.ENROL)), (9 * DAY, days(7)))
    assert stands(stored, START + 9 * DAY) == Enforcement(EnforcementState.MUST_ENROL, locks_at=START + 10 * DAY)
    assert stands(stored, START + 10 * DAY) == Enforcement(_LOCKED, START + 10 * DAY)


def test_no_days_at_all_leave_a_day_to_who_is_there() -> None:
    """A requirement of zero days would otherwise lock a whole helpdesk out at the click."""
    assert stands(saved((0 * DAY, days(0))), START).deadline == START + DAY


def test_off_and_on_leaves_the_locked_ones_out_and_the_others_a_day() -> None:
    """The old start holds; whoever was in grace at the pause may have run out of it without having heard anything."""
    steps = [(0 * DAY, days(7)), (8 * DAY, NOBODY), (9 * DAY, days(7))]
    assert stands(saved(*steps), START + 9 * DAY).state is _LOCKED
    early = [(0 * DAY, days(7)), (6 * DAY, NOBODY), (20 * DAY, days(7))]
    assert stands(saved(*early), START + 20 * DAY).deadline == START + 21 * DAY
    in_time = [(0 * DAY, days(7)), (1 * DAY, NOBODY), (2 * DAY, days(7))]
    assert stands(saved(*in_time), START + 2 * DAY).deadline == START + 7 * DAY


def test_an_account_that_is_required_alone_keeps_its_day_too() -> None:
    """The policy's days are its days."""
    stored = replaced(replaced(StoredPolicy(), Policy(grace_days=30), START), Policy(grace_days=2), START + 9 * DAY)
    facts = facts_under(stored, required_since=START)
    assert enforcement_of(stored.policy, facts, START + 9 * DAY).deadline == START + 10 * DAY


@pytest.mark.parametrize("policy", [days(7), days(None), days(7, then=AfterGrace.ENROL), NOBODY])
def test_the_outlook_names_every_change_to_come(policy: Policy) -> None:
    """The preview counts days by it: between two of its instants nothing changes."""
    stored = saved((0 * DAY, days(30)), (10 * DAY, policy))
    facts, now = facts_under(stored), START + 10 * DAY
    seen = outlook(stored.policy, facts, now)
    assert [at for at, _ in seen] == sorted({at for at, _ in seen})
    for hours in range(24 * 40):
        at = now + hours * HOUR
        [*_, last] = [enforcement for since, enforcement in seen if since <= at]
        assert enforcement_of(stored.policy, facts, at).state is last.state


_POLICIES = st.builds(
    lambda scope, grace_days, until, after: Policy(
        required=Requirement(scope=scope),
        grace_days=grace_days,
        grace_until=START + until * DAY if until is not None else None,
        after_grace=after,
    ),
    st.sampled_from([Scope.ALL, Scope.NOBODY]),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(-5, 30),
    st.sampled_from([None, *AfterGrace]),
)
_STEPS = st.lists(st.tuples(st.integers(1, 24 * 8), _POLICIES), min_size=1, max_size=8)


@given(_STEPS, st.integers(-10, 40), st.integers(0, 40 * 24) | st.none())
def test_saving_locks_nobody_out_and_reopens_nobody(
    steps: list[tuple[int, Policy]], created: int, required: int | None
) -> None:
    """Whatever was saved in whatever order: who was not locked out has a day, who was in grace until later keeps a day
    of it, and a policy that gives no more than the one before lets nobody in.
    """
    stored, now = StoredPolicy(), START
    since = START + created * DAY
    required_since = START + required * HOUR if required is not None else None
    for hours, policy in steps:
        now += hours * HOUR
        if now <= since or (required_since is not None and now <= required_since):
            stored = replaced(stored, policy, now)
            continue
        before = enforcement_of(stored.policy, facts_under(stored, since, required_since), now)
        old, stored = stored, replaced(stored, policy, now)
        facts = facts_under(stored, since, required_since)
        after = enforcement_of(policy, facts, now)
        if before.state is not _LOCKED and before.state not in _FREE:
            assert after.state is not _LOCKED
            assert after.locks_at is None or after.locks_at >= min(before.locks_at or now + DAY, now + DAY)
        if before.state is EnforcementState.GRACE and before.deadline is not None and after.state not in _FREE:
            assert after.state is EnforcementState.GRACE
            assert after.deadline is not None
            assert after.deadline >= min(before.deadline, now + SHORTEST_NOTICE)
        if before.state is _LOCKED and policy == old.policy:
            assert after.state is _LOCKED


@given(_STEPS, st.integers(1, 60 * 24))
def test_the_notice_is_the_same_whenever_it_is_computed(steps: list[tuple[int, Policy]], later: int) -> None:
    """Saving the same policy again, as a page does whose button is pressed twice, changes nobody's state."""
    stored, now = StoredPolicy(), START
    for hours, policy in steps:
        now += hours * HOUR
        stored = replaced(stored, policy, now)
    at = now + later * HOUR
    again = replaced(stored, stored.policy, at)
    assert stands(again, at).state is stands(stored, at).state
