"""Answers about accounts."""

import datetime as dt

from shared.contracts.replies.recoveries import RecoveryView
from shared.contracts.types import Contact, EnforcementState, Role, Value


class EnforcementView(Value):
    """Where an account stands with the policy now."""

    state: EnforcementState
    deadline: dt.datetime | None = None
    exempt_until: dt.datetime | None = None


class GateView(Value):
    """Whether sessions may go on; those begun before `sessions_valid_from` may not, whatever `allowed` says."""

    allowed: bool
    reason: str
    state: EnforcementState
    sessions_valid_from: dt.datetime | None = None


class AccountView(Value):
    """An account as policy knows it."""

    account_id: str
    role: Role
    email: str | None = None  # masked
    email_verified: bool = False
    phone: str | None = None  # masked
    locale: str
    time_zone: str
    sso: bool
    active: bool
    version: int | None = None
    created_at: dt.datetime
    enforcement: EnforcementView


class ErasureView(Value):
    """An account that is forgotten; `is_finished`: every service has destroyed what it had of it."""

    account_id: str
    version: int | None = None
    erased_at: dt.datetime
    is_finished: bool


class AccountsPage(Value):
    """A page of accounts."""

    accounts: tuple[AccountView, ...]
    has_more: bool
    next_after: str | None = None  # where the next page starts; with a state, a page may hold fewer than asked for


class PersonalData(Value):
    """A person as policy knows them."""

    account: AccountView
    email: Contact | None = None
    former_email: Contact | None = None
    phone: Contact | None = None
    email_proved_at: dt.datetime | None = None
    email_changed_at: dt.datetime | None = None
    password_changed_at: dt.datetime | None = None
    recovery_requests: tuple[RecoveryView, ...] = ()


class ClockView(Value):
    """A sandbox tenant's time."""

    now: dt.datetime
    offset_seconds: int
