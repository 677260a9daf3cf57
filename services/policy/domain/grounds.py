"""Why an account is asked for a second factor: what an admin wants to know who was not there."""

import datetime as dt
from typing import NamedTuple

from services.policy.domain.standing import Standing
from shared.contracts.policy import Scope
from shared.contracts.types import RequirementKind, Role
from shared.rules.enforcement import asked_since


class Grounds(NamedTuple):
    """`role`: the account's, where the requirement is for that; `since`: what its deadline counts from; and the policy
    in force, by whom it was saved and when. Members are called like those of the events.
    """

    requirement: RequirementKind
    role: Role | None
    since: dt.datetime
    policy_version: int
    policy_saved_by: str | None
    policy_saved_at: dt.datetime | None


def grounds_of(standing: Standing) -> Grounds:
    """Of an account in a requirement. The policy's comes first: it would hold without the account's own, too."""
    role, required = standing.account.role, standing.policy.required
    if not required.covers(role):
        kind = RequirementKind.INDIVIDUAL
    else:
        kind = RequirementKind.ALL if required.scope is Scope.ALL else RequirementKind.ROLE
    return Grounds(
        requirement=kind,
        role=role if kind is RequirementKind.ROLE else None,
        since=asked_since(standing.policy, standing.facts),
        policy_version=standing.policy_version,
        policy_saved_by=standing.policy_saved_by,
        policy_saved_at=standing.policy_saved_at,
    )
