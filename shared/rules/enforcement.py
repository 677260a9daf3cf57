"""Where an account stands with its tenant's policy: computed from policy, facts and now; never stored.

otp_worker decides logins by it, policy gives notices and announces locks by it, so both always agree.
"""

import datetime as dt
from dataclasses import dataclass

from shared.contracts.policy import AfterGrace, Policy
from shared.contracts.types import EnforcementState, Role

SHORTEST_NOTICE = dt.timedelta(hours=24)
"""Between the start of a requirement and a deadline that is a date: a date in the past locks nobody out at once."""


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
    subject_since: dt.datetime  # the latest of: account made, role changed, SSO left
    required_since: dt.datetime | None  # since when the policy covers the account's role
    is_individually_required: bool = False
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None  # an admin's unlock
    must_enrol_since: dt.datetime | None = None  # a reset or a recovery


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The verdict. `deadline` is that of the grace period, or the one that was missed."""

    state: EnforcementState
    deadline: dt.datetime | None = None
    exempt_until: dt.datetime | None = None


def enforcement_of(policy: Policy, facts: EnforcementFacts, now: dt.datetime) -> Enforcement:
    """Where the account stands at ``now`` (tenant time). A deadline's own instant is after the grace period."""
    if not is_subject(policy, facts):
        return Enforcement(EnforcementState.NOT_REQUIRED)
    if facts.exempt_until is not None and now < facts.exempt_until:
        return Enforcement(EnforcementState.EXEMPT, exempt_until=facts.exempt_until)
    if facts.held_factors > 0:
        return Enforcement(EnforcementState.SATISFIED)
    ordinary = _without_extension(policy, facts, now)
    extension = facts.extended_until
    if extension is None or extension <= now or (ordinary.deadline is not None and ordinary.deadline >= extension):
        return ordinary
    return Enforcement(EnforcementState.GRACE, deadline=extension)


def is_subject(policy: Policy, facts: EnforcementFacts) -> bool:
    """Whether a requirement covers the account, satisfied or not."""
    is_covered = facts.is_individually_required or policy.required.covers(facts.role)
    return is_covered and facts.is_active and not facts.is_sso


def _without_extension(policy: Policy, facts: EnforcementFacts, now: dt.datetime) -> Enforcement:
    if facts.must_enrol_since is not None or facts.was_satisfied:
        return Enforcement(EnforcementState.MUST_ENROL)
    deadline = _deadline(policy, facts)
    if deadline is None:
        return Enforcement(EnforcementState.MUST_ENROL)
    if now < deadline:
        return Enforcement(EnforcementState.GRACE, deadline=deadline)
    match policy.follows_grace:
        case AfterGrace.LOCK_OUT:
            return Enforcement(EnforcementState.LOCKED_OUT, deadline=deadline)
        case AfterGrace.ENROL:
            return Enforcement(EnforcementState.MUST_ENROL)


def _deadline(policy: Policy, facts: EnforcementFacts) -> dt.datetime | None:
    """The later of the days' and the date's; None when the policy knows no grace."""
    start = max(facts.subject_since, facts.required_since or facts.subject_since)
    candidates = []
    if policy.grace_days is not None:
        candidates.append(start + dt.timedelta(days=policy.grace_days))
    if policy.grace_until is not None:
        candidates.append(max(policy.grace_until, start + SHORTEST_NOTICE))
    return max(candidates, default=None)
