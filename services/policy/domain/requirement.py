"""Since when a policy covers each role, and what it replaced: where grace periods start, which notice is owed."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shared.contracts.policy import AfterGrace, Policy, Scope
from shared.contracts.requirement import Covered, EarlierPolicy
from shared.contracts.types import Role
from shared.rules.enforcement import SHORTEST_NOTICE

SAME_REQUIREMENT_WITHIN = dt.timedelta(days=30)
"""A requirement that was off for less goes on where it was: switching it off and on renews nobody's grace."""

MOST_EARLIER = 20
"""Policies remembered of one day. Each login reads them: somebody's script shall not make that dear."""

Requirements = Mapping[Role, Covered]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A tenant's policy with its history; version 0 is the default of a tenant that never set one."""

    version: int = 0
    policy: Policy = Policy()
    requirements: Requirements = field(default_factory=dict)
    earlier: tuple[EarlierPolicy, ...] = ()  # replaced within a day, the newest last
    updated_at: dt.datetime | None = None
    saved_by: str | None = None  # the actor

    @property
    def is_required(self) -> bool:
        """Whether anybody is required by it."""
        return self.policy.required.scope is not Scope.NOBODY


def replaced(
    before: StoredPolicy, policy: Policy, now: dt.datetime, *, saved_by: str | None = None, is_immediate: bool = False
) -> StoredPolicy:
    """The next version. ``is_immediate``: without the day's notice that a nearer deadline else gives."""
    requirements = {
        role: covered
        for role in Role
        if (covered := _covered(before, policy, role, now, is_immediate=is_immediate)) is not None
    }
    return StoredPolicy(
        version=before.version + 1,
        policy=policy,
        requirements=requirements,
        earlier=() if is_immediate else _earlier(before, policy, now),
        updated_at=now,
        saved_by=saved_by,
    )


def has_same_deadlines(one: Policy, other: Policy) -> bool:
    """Whether the two ask the same of everybody, by the same time."""
    return _terms(one) == _terms(other)


def may_lock_out_admins(policy: Policy) -> bool:
    """Whether admins are among those whom the policy locks out after a deadline. One that leads to enrolment, does not:
    the way in stays open.
    """
    has_deadline = policy.grace_days is not None or policy.grace_until is not None
    return policy.required.covers(Role.ADMIN) and has_deadline and policy.follows_grace is AfterGrace.LOCK_OUT


def _covered(
    before: StoredPolicy, policy: Policy, role: Role, now: dt.datetime, *, is_immediate: bool
) -> Covered | None:
    known = before.requirements.get(role)
    if not policy.required.covers(role):
        if known is None or known.until is not None:
            return known
        return replace(known, until=now, paused=EarlierPolicy(_terms(before.policy), now))
    resumed_at = None if is_immediate else now
    if known is None or (known.until is not None and known.until + SAME_REQUIREMENT_WITHIN <= now):
        return Covered(now, resumed_at=resumed_at)
    if known.until is not None:
        return replace(known, until=None, resumed_at=resumed_at)
    return replace(known, resumed_at=None) if is_immediate else known


def _earlier(before: StoredPolicy, policy: Policy, now: dt.datetime) -> tuple[EarlierPolicy, ...]:
    """What people may still rely on for a day. The same policy twice counts from its last end."""
    terms = _terms(before.policy)
    owed = [each for each in before.earlier if now < each.replaced_at + SHORTEST_NOTICE]
    if has_same_deadlines(before.policy, policy):
        return tuple(owed)
    others = [each for each in owed if each.policy != terms]
    return (*others, EarlierPolicy(terms, now))[-MOST_EARLIER:]


def _terms(policy: Policy) -> Policy:
    """The part of a policy that deadlines come from."""
    return Policy(
        required=policy.required,
        grace_days=policy.grace_days,
        grace_until=policy.grace_until,
        after_grace=policy.follows_grace,
    )
