"""Since when a policy covers each role: where grace periods start."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.policy import Policy, Scope
from shared.contracts.types import Role

SAME_REQUIREMENT_WITHIN = dt.timedelta(days=30)
"""A requirement that was off for less goes on where it was: switching it off and on renews nobody's grace."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A role's time under a requirement; `until` None: still."""

    since: dt.datetime
    until: dt.datetime | None = None


Requirements = Mapping[Role, Covered]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A tenant's policy with its history; version 0 is the default of a tenant that never set one."""

    version: int = 0
    policy: Policy = Policy()
    requirements: Requirements = field(default_factory=dict)
    updated_at: dt.datetime | None = None

    @property
    def is_required(self) -> bool:
        """Whether anybody is required by it."""
        return self.policy.required.scope is not Scope.NOBODY


def replaced(before: StoredPolicy, policy: Policy, now: dt.datetime) -> StoredPolicy:
    """The next version."""
    requirements = {
        role: covered for role in Role if (covered := _covered(before.requirements.get(role), policy, role, now))
    }
    return StoredPolicy(version=before.version + 1, policy=policy, requirements=requirements, updated_at=now)


def _covered(before: Covered | None, policy: Policy, role: Role, now: dt.datetime) -> Covered | None:
    if not policy.required.covers(role):
        return None if before is None else Covered(before.since, before.until or now)
    if before is None or (before.until is not None and before.until + SAME_REQUIREMENT_WITHIN <= now):
        return Covered(now)
    return Covered(before.since)
