"""What is required, of whom, and what came of it."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.policy import WholePolicy
from shared.contracts.types import AccountId, EnforcementState, RequirementKind, Role


class RequirementEvent(Event):
    """What all events say that tell of a requirement: whom it is for, since when, and which policy is in force, saved
    by which actor. Version 0 is the default, which nobody saved.
    """

    requirement: RequirementKind | None = None
    role: Role | None = None  # of the account, where the requirement is for that
    since: dt.datetime | None = None
    policy_version: int | None = None
    policy_saved_by: str | None = None
    policy_saved_at: dt.datetime | None = None


class EnforcementStarted(RequirementEvent):
    type = "enforcement.started"

    deadline: dt.datetime | None = None


class EnforcementReminded(Event):
    type = "enforcement.reminded"

    stage: str
    deadline: dt.datetime


class EnforcementSatisfied(Event):
    type = "enforcement.satisfied"


class EnforcementLockedOut(RequirementEvent):
    """Locked under the account's own lock, after a look at its factors: there was none."""

    type = "enforcement.locked_out"

    deadline: dt.datetime


class EnforcementUnlocked(Event):
    type = "enforcement.unlocked"

    until: dt.datetime | None = None
    reason: str
    approver: AccountId | None = None


class EnforcementChanged(Event):
    """What is asked of one account is different now: an admin's word, or the end of a requirement."""

    type = "enforcement.changed"

    state: EnforcementState
    deadline: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    reason: str
    approver: AccountId | None = None


class PolicyChanged(Event):
    type = "policy.changed"

    version: int
    policy: WholePolicy
