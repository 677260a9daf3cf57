"""All that a decision about an account may need: what policy knows, and the counters that are ours."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.otp_worker.domain.login import LoginFacts
from services.otp_worker.domain.sending import Budget
from services.otp_worker.domain.throttle import Throttle
from shared.contracts.policy import Policy
from shared.contracts.requirement import Covered, EarlierPolicy
from shared.contracts.types import ChallengeId, Contact, RecoveryId, Role

UNCHANGED = dt.timedelta(days=7)  # after which an address that the helpdesk verified counts as a mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """One row of ours; written as a whole, under the account's lock."""

    factor_epoch: int = 0
    password_changed_at: dt.datetime | None = None
    first_enrolled_at: dt.datetime | None = None
    last_success_at: dt.datetime | None = None
    throttle: Throttle = Throttle()
    budget: Budget = Budget()
    backup_set_id: UUID | None = None
    backup_generated_at: dt.datetime | None = None
    backup_acknowledged_at: dt.datetime | None = None
    recovery_key_made_at: dt.datetime | None = None  # None: there is none
    recovery_key_acknowledged_at: dt.datetime | None = None
    proofs_from: dt.datetime | None = None  # a step-up by a code before this is over
    carried_proof_id: ChallengeId | None = None  # but for the one on which factor or codes were replaced
    disputed_at: dt.datetime | None = None  # "this was not me": whatever was shown up to then proves nothing


def without_proofs(state: AccountState, now: dt.datetime) -> AccountState:
    """The account once nothing that was shown before proves anything."""
    return replace(state, proofs_from=now, carried_proof_id=None)


def without_codes(state: AccountState) -> AccountState:
    """The account once every backup code and key of it is void."""
    return replace(
        state,
        backup_set_id=None,
        backup_generated_at=None,
        backup_acknowledged_at=None,
        recovery_key_made_at=None,
        recovery_key_acknowledged_at=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What policy says of one account; see `EnforcementFacts`."""

    covered: Covered | None  # the account's role, by the policy
    earlier: Sequence[EarlierPolicy]
    is_individually_required: bool
    individually_required_since: dt.datetime | None
    exempt_until: dt.datetime | None
    extended_until: dt.datetime | None
    must_enrol_since: dt.datetime | None
    notice_from: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecovery:
    """A recovery of the account, as policy has it; `ready_at` None: its mailbox is not proved yet."""

    id: RecoveryId
    ready_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at this moment. `now` is its tenant's time, `system_now` the database's."""

    tenant_id: UUID
    id: str
    now: dt.datetime
    system_now: dt.datetime
    policy: Policy
    role: Role
    is_active: bool
    sso_since: dt.datetime | None  # None: it signs in with a password
    subject_since: dt.datetime
    requirement: Requirement
    email: Contact | None
    email_verified: bool
    email_proved_at: dt.datetime | None
    email_changed_at: dt.datetime | None
    former_email: Contact | None
    phone: Contact | None
    language: str
    time_zone: str
    password_changed_at: dt.datetime | None
    tenant_name: str
    tenant_colour: str | None
    identity_providers: tuple[str, ...] = ()
    domain: str | None
    state: AccountState
    recovery: OpenRecovery | None = None
    tenant_key: str | None = field(repr=False)
    account_key: bytes | None = field(repr=False)

    @property
    def key(self) -> tuple[UUID, str]:
        """Tenant and account id."""
        return self.tenant_id, self.id

    @property
    def mailbox(self) -> Contact | None:
        """The address that may prove a person: a mailed code came back from it, or the helpdesk verified it and it has
        not changed for a week, which is longer than a thief's patience.
        """
        if self.email is None:
            return None
        is_old = self.email_changed_at is None or self.email_changed_at + UNCHANGED <= self.now
        return self.email if self.email_proved_at is not None or (self.email_verified and is_old) else None

    @property
    def notice_emails(self) -> tuple[Contact, ...]:
        """Where notices go by mail: the address if it was ever verified, and the one it replaced."""
        own = self.email if self.email_verified or self.email_proved_at is not None else None
        return tuple(contact for contact in (own, self.former_email) if contact is not None)


def is_unused_since(account: Account, instant: dt.datetime) -> bool:
    """Whether the account signs in through SSO, and has shown no factor, since then at least."""
    last = account.state.last_success_at
    return account.sso_since is not None and account.sso_since <= instant and (last is None or last <= instant)


def login_facts(account: Account, *, held_factors: int, is_device_trusted: bool = False) -> LoginFacts:
    """What the login's decision is made of."""
    requirement, covered = account.requirement, account.requirement.covered
    return LoginFacts(
        role=account.role,
        is_active=account.is_active,
        subject_since=account.subject_since,
        required_since=covered.since if covered is not None else None,
        resumed_at=covered.resumed_at if covered is not None else None,
        paused=covered.paused if covered is not None else None,
        earlier=requirement.earlier,
        is_individually_required=requirement.is_individually_required,
        individually_required_since=requirement.individually_required_since,
        exempt_until=requirement.exempt_until,
        extended_until=requirement.extended_until,
        must_enrol_since=requirement.must_enrol_since,
        notice_from=requirement.notice_from,
        identity_providers=account.identity_providers,
        held_factors=held_factors,
        was_enrolled=account.state.first_enrolled_at is not None,
        is_device_trusted=is_device_trusted,
    )
