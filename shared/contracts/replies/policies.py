"""Answers about what a tenant requires."""

import datetime as dt

from shared.contracts.policy import Policy
from shared.contracts.types import EnforcementState, FactorType, Role, Strength, Value


class OfferedMethod(Value):
    """A method that the policy allows, and what to say of it."""

    type: FactorType
    strength: Strength
    advice: str | None = None  # where another type is the better choice


class PolicyView(Value):
    """A tenant's policy and its version."""

    version: int
    policy: Policy
    updated_at: dt.datetime | None = None
    methods: tuple[OfferedMethod, ...] = ()


class PreviewedAccount(Value):
    """An account that a policy would lock out, or make enrol. `is_reachable`: a notice could get there."""

    account_id: str
    role: Role
    state: EnforcementState
    at: dt.datetime
    is_admin: bool
    is_reachable: bool


class PreviewDay(Value):
    """Who would be locked out, or have to enrol at the next login, from some hour of this day (UTC) on."""

    date: dt.date
    locked_out: int
    must_enrol: int
    admins: int  # among both
    unreachable: int  # among both
    accounts: tuple[PreviewedAccount, ...]  # the first of them
    has_more_accounts: bool


class PreviewTotals(Value):
    """How the accounts would stand the moment the policy is saved."""

    accounts: int
    not_required: int
    exempt: int
    satisfied: int
    grace: int
    must_enrol: int
    locked_out: int
    locked_out_already: int  # among those locked out: by the policy in force


class PolicyPreview(Value):
    """What a policy would do."""

    would_lock_out_admins: bool  # it would be refused without `force`
    totals: PreviewTotals
    days: tuple[PreviewDay, ...]
    has_more_days: bool
