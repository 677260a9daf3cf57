"""Where an account stands with its tenant's policy: computed from policy, facts and now; never stored.

otp_worker decides logins by it, policy gives notices and announces locks by it, so both always agree.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.contracts.policy import AfterGrace, Policy
from shared.contracts.requirement import EarlierPolicy
from shared.contracts.types import EnforcementState, Role

SHORTEST_NOTICE = dt.timedelta(hours=24)
"""Between what brings a deadline nearer (the start of a requirement, another policy, the end of an exemption) and the
deadline: nobody is locked out on the spot.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementFacts:
    """What is known of one account, in tenant time.

    `is_sso`: judge it as one that signs in through SSO, which no requirement covers. A *password* login of an SSO
    account is judged with False, like any other: otherwise the password would be a way around both.
    """

    role: Role
    is_active: bool
    is_sso: bool
    held_factors: int  # active or suspended: guessing until a factor is suspended shall not open the door
    was_satisfied: bool  # had a factor once: no second grace
    subject_since: dt.datetime  # the latest of: account made, role changed, SSO left, active again after long
    required_since: dt.datetime | None  # since when the policy covers the account's role
    resumed_at: dt.datetime | None = None  # since when it does again, where a day's notice of that is owed
    paused: EarlierPolicy | None = None  # what was in force when it last ended for the role
    earlier: Sequence[EarlierPolicy] = ()  # policies that were replaced: who had until then, keeps a day
    is_individually_required: bool = False
    individually_required_since: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None  # an admin's unlock or extension
    must_enrol_since: dt.datetime | None = None  # a reset or a recovery
    notice_from: dt.datetime | None = None  # the account, or what is asked of it alone, is back: a day is owed


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The verdict. `deadline` is that of the grace period, or the one that was missed; `locks_at`: when the account is
    locked out if nothing changes, whether there is grace until then or not.
    """

    state: EnforcementState
    deadline: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    locks_at: dt.datetime | None = None


class _Limits(NamedTuple):
    """Until when an account may put enrolling off, and when it is locked out. None: at once, and never."""

    grace_until: dt.datetime | None
    locks_at: dt.datetime | None


def enforcement_of(policy: Policy, facts: EnforcementFacts, now: dt.datetime) -> Enforcement:
    """Where the account stands at ``now`` (tenant time). A deadline's own instant is after the grace period."""
    return _stands(facts, _limits(policy, facts) if is_subject(policy, facts) else None, now)


def outlook(policy: Policy, facts: EnforcementFacts, now: dt.datetime) -> list[tuple[dt.datetime, Enforcement]]:
    """Where the account stands at ``now`` and from each later instant at which that changes by time alone."""
    limits = _limits(policy, facts) if is_subject(policy, facts) else None
    seen = [(now, _stands(facts, limits, now))]
    while (following := _changes_at(seen[-1][1])) is not None:
        seen.append((following, _stands(facts, limits, following)))
    return seen


def is_subject(policy: Policy, facts: EnforcementFacts) -> bool:
    """Whether a requirement covers the account, satisfied or not."""
    is_covered = facts.is_individually_required or policy.required.covers(facts.role)
    return is_covered and facts.is_active and not facts.is_sso


def asked_since(policy: Policy, facts: EnforcementFacts) -> dt.datetime:
    """Since when the account is asked for a factor: the start that its deadline counts from."""
    return _start(policy, facts) or facts.subject_since


def _stands(facts: EnforcementFacts, limits: _Limits | None, now: dt.datetime) -> Enforcement:
    """``limits`` None: nothing is asked of the account."""
    if limits is None:
        return Enforcement(EnforcementState.NOT_REQUIRED)
    if facts.exempt_until is not None and now < facts.exempt_until:
        return Enforcement(EnforcementState.EXEMPT, exempt_until=facts.exempt_until)
    if facts.held_factors > 0:
        return Enforcement(EnforcementState.SATISFIED)
    if limits.grace_until is not None and now < limits.grace_until:
        return Enforcement(EnforcementState.GRACE, deadline=limits.grace_until, locks_at=limits.locks_at)
    if limits.locks_at is not None and limits.locks_at <= now:
        return Enforcement(EnforcementState.LOCKED_OUT, deadline=limits.locks_at)
    return Enforcement(EnforcementState.MUST_ENROL, locks_at=limits.locks_at)


def _changes_at(enforcement: Enforcement) -> dt.datetime | None:
    match enforcement.state:
        case EnforcementState.EXEMPT:
            return enforcement.exempt_until
        case EnforcementState.GRACE:
            return enforcement.deadline
        case EnforcementState.MUST_ENROL:
            return enforcement.locks_at
        case EnforcementState.NOT_REQUIRED | EnforcementState.SATISFIED | EnforcementState.LOCKED_OUT:
            return None


def _limits(policy: Policy, facts: EnforcementFacts) -> _Limits:
    """An admin's extension opens the account whatever closed it, and never shortens what the policy gives."""
    is_at_once = facts.must_enrol_since is not None or facts.was_satisfied
    limits = _Limits(None, None) if is_at_once else _of_policy(policy, facts)
    if facts.extended_until is None:
        return limits
    return _no_earlier(limits, [_Limits(facts.extended_until, facts.extended_until)])


def _of_policy(policy: Policy, facts: EnforcementFacts) -> _Limits:
    """What the policy says, and for a day what those said that it replaced: ``max(new, min(old, replaced + 24 h))``.

    So nobody is locked out the moment a policy is saved, and nobody who was locked out before is let in by it.
    """
    new = _with_notice(_said_by(policy, asked_since(policy, facts)), facts)
    floors = (_floor(each, facts) for each in facts.earlier)
    return _no_earlier(new, [floor for floor in floors if floor is not None])


def _said_by(policy: Policy, start: dt.datetime) -> _Limits:
    deadline = _deadline(policy, start)
    match policy.follows_grace:
        case AfterGrace.LOCK_OUT:
            return _Limits(deadline, deadline)
        case AfterGrace.ENROL:
            return _Limits(deadline, None)


def _start(policy: Policy, facts: EnforcementFacts, until: dt.datetime | None = None) -> dt.datetime | None:
    """Since when this policy asks the account for a factor; None: it does not, or began to only after ``until``."""
    since = [facts.required_since] if policy.required.covers(facts.role) else []
    if facts.is_individually_required:
        since.append(facts.individually_required_since)
    if not since:
        return None
    start = max(facts.subject_since, min(each or facts.subject_since for each in since))
    return start if until is None or start < until else None


def _deadline(policy: Policy, start: dt.datetime) -> dt.datetime | None:
    """The later of the days' and the date's; None when the policy knows no grace."""
    candidates = []
    if policy.grace_days is not None:
        candidates.append(start + dt.timedelta(days=policy.grace_days))
    if policy.grace_until is not None:
        candidates.append(max(policy.grace_until, start + SHORTEST_NOTICE))
    return max(candidates, default=None)


def _floor(earlier: EarlierPolicy, facts: EnforcementFacts) -> _Limits | None:
    """What an earlier policy still gives. Who had to enrol at once under it, gets no grace from its end."""
    start = _start(earlier.policy, facts, earlier.replaced_at)
    if start is None:
        return None
    old, notice_over = _with_notice(_said_by(earlier.policy, start), facts), earlier.replaced_at + SHORTEST_NOTICE
    return _Limits(
        grace_until=min(old.grace_until, notice_over) if old.grace_until is not None else None,
        locks_at=min(old.locks_at, notice_over) if old.locks_at is not None else notice_over,
    )


def _with_notice(said: _Limits, facts: EnforcementFacts) -> _Limits:
    """A deadline is a day away at least from the end of an exemption, from the day that a role is covered, and from the
    return of what was away.
    """
    if said.grace_until is None:
        return said
    after = (*_a_day_after(facts.exempt_until), *_a_day_after(facts.notice_from), *_after_resumption(facts))
    return _no_earlier(said, after)


def _a_day_after(instant: dt.datetime | None) -> list[_Limits]:
    return [] if instant is None else [_Limits(instant + SHORTEST_NOTICE, instant + SHORTEST_NOTICE)]


def _after_resumption(facts: EnforcementFacts) -> list[_Limits]:
    """A role that is covered, or covered again: a day's notice, but none to those who were locked out at the pause."""
    if facts.resumed_at is None or facts.is_individually_required:
        return []
    notice_over = facts.resumed_at + SHORTEST_NOTICE
    if facts.paused is None:
        return [_Limits(notice_over, notice_over)]
    pause = facts.paused.replaced_at
    start = _start(facts.paused.policy, facts, pause)
    old = _Limits(notice_over, None) if start is None else _said_by(facts.paused.policy, start)
    is_grace_left = start is None or (old.grace_until is not None and pause < old.grace_until)
    was_open = old.locks_at is None or pause < old.locks_at
    return [_Limits(notice_over if is_grace_left else None, notice_over if was_open else None)]


def _no_earlier(limits: _Limits, floors: Iterable[_Limits]) -> _Limits:
    """Nothing of ``limits`` comes before ``floors`` say. What never locks, does not lock for them."""
    grace, lock = limits.grace_until, limits.locks_at
    for floor in floors:
        if floor.grace_until is not None:
            grace = floor.grace_until if grace is None else max(grace, floor.grace_until)
        if lock is not None and floor.locks_at is not None:
            lock = max(lock, floor.locks_at)
    return _Limits(grace, lock)
