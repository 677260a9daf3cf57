"""Accounts of which a page is read at once, for a preview or a report, and what the shared rule is told of them."""

import datetime as dt
from dataclasses import dataclass

from services.policy.domain.account import latest
from services.policy.domain.requirement import StoredPolicy
from shared.contracts.types import Role
from shared.rules.enforcement import EnforcementFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What policy knows of one account by itself."""

    account_id: str
    role: Role
    is_active: bool
    is_sso: bool
    subject_since: dt.datetime
    returned_at: dt.datetime | None = None  # active again: a day's notice is owed


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What was asked of, or granted to, one account alone."""

    is_required: bool = False
    required_since: dt.datetime | None = None
    resumed_at: dt.datetime | None = None  # required again: a day's notice is owed
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None
    must_enrol_since: dt.datetime | None = None


NOTHING = Granted()
"""Which is the rule."""


def facts_of(
    known: Known, granted: Granted, stored: StoredPolicy, *, held_factors: int, was_satisfied: bool
) -> EnforcementFacts:
    """The account under a policy, as the shared rule sees it."""
    covered = stored.requirements.get(known.role)
    return EnforcementFacts(
        role=known.role,
        is_active=known.is_active,
        is_sso=known.is_sso,
        held_factors=held_factors,
        was_satisfied=was_satisfied,
        subject_since=known.subject_since,
        required_since=covered.since if covered is not None else None,
        resumed_at=covered.resumed_at if covered is not None else None,
        paused=covered.paused if covered is not None else None,
        earlier=stored.earlier,
        is_individually_required=granted.is_required,
        individually_required_since=granted.required_since,
        exempt_until=granted.exempt_until,
        extended_until=granted.extended_until,
        must_enrol_since=granted.must_enrol_since,
        notice_from=latest(known.returned_at, granted.resumed_at),
    )
