"""What is required, of whom, and what came of it."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.policy import WholePolicy
from shared.contracts.types import AccountId, EnforcementState


class EnforcementStarted(Event):
    type = "enforcement.started"

    deadline: dt.datetime | None = None


class EnforcementReminded(Event):
    type = "enforcement.reminded"

    stage: str
    deadline: dt.datetime


class EnforcementSatisfied(Event):
    type = "enforcement.satisfied"


class EnforcementLockedOut(Event):
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
