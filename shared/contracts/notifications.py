"""Everything that a person may be told by mail or SMS, and what each text needs to know.

The words are the notifier's (`services/notifier/templates`); a test there shows that a text uses these parameters and
nothing else. Adding one: a name and a model here, a folder of templates in every language.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.types import AccountId, FactorType, Purpose, Value

DEFAULT_COLOUR = "#1f4e79"

# One line and no control characters: a name goes into a subject, where a line break would start another header.
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$", max_length=80)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]  # goes into a style attribute
Link = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"']+$", max_length=2008)]
Domain = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Count = Annotated[int, Field(ge=0, le=100_000)]


class Notification(enum.StrEnum):
    """The name of a text; also its folder among the templates."""

    CODE = "code"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_SUSPENDED = "factor_suspended"
    UNUSED_FACTORS_REMOVED = "unused_factors_removed"
    BACKUP_CODES_GENERATED = "backup_codes_generated"
    BACKUP_CODE_USED = "backup_code_used"
    BACKUP_CODES_LOW = "backup_codes_low"
    RECOVERY_KEY_MADE = "recovery_key_made"
    RECOVERY_KEY_USED = "recovery_key_used"
    TRUSTED_DEVICE_ADDED = "trusted_device_added"
    RECOVERY_WAITING = "recovery_waiting"
    RECOVERY_HALF_TIME = "recovery_half_time"
    RECOVERY_LAST_HOUR = "recovery_last_hour"
    RECOVERY_EXECUTED = "recovery_executed"
    RECOVERY_CANCELLED = "recovery_cancelled"
    ENFORCEMENT_STARTED = "enforcement_started"
    ENFORCEMENT_REMINDER = "enforcement_reminder"
    ENFORCEMENT_CHANGED = "enforcement_changed"
    LOCKED_OUT = "locked_out"
    UNLOCKED = "unlocked"
    ACCOUNT_RESET = "account_reset"
    RECOVERY_CODE_ISSUED = "recovery_code_issued"
    RECOVERY_CODE_USED = "recovery_code_used"
    FACTOR_SET_UP = "factor_set_up"
    ADDRESS_CHANGED = "address_changed"
    FAILED_ATTEMPTS = "failed_attempts"
    REPORT_READY = "report_ready"
    DISPUTE_FOR_ADMINS = "dispute_for_admins"
    RECOVERY_FOR_ADMINS = "recovery_for_admins"
    ADMIN_PROOF_OFF = "admin_proof_off"


WITHOUT_DISPUTE = frozenset(
    {
        Notification.CODE,  # was asked for a moment ago, and does nothing by itself
        Notification.RECOVERY_WAITING,  # these three have a link of their own, which cancels
        Notification.RECOVERY_HALF_TIME,
        Notification.RECOVERY_LAST_HOUR,
        Notification.ENFORCEMENT_STARTED,  # these come from the tenant's policy, and nobody did them
        Notification.ENFORCEMENT_REMINDER,
        Notification.LOCKED_OUT,
        Notification.REPORT_READY,  # these go to admins about something else than themselves
        Notification.DISPUTE_FOR_ADMINS,
        Notification.RECOVERY_FOR_ADMINS,
        Notification.ADMIN_PROOF_OFF,
    }
)
"""What nobody can say "this was not me" of. Every other text is a security notice and carries that link."""


class Notice(Value):
    """What every text may say: who writes, in which colour, when it happened, and where to say "this was not me"."""

    tenant_name: Line
    tenant_colour: Colour = DEFAULT_COLOUR
    happened_at: AwareDatetime | None = None
    not_me_url: Link | None = Field(default=None, repr=False)


class Code(Notice):
    """A one-time code. `domain` binds it to the site it is typed on; `minutes` is how long it lives."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,8}$")] = Field(repr=False)
    minutes: Annotated[int, Field(ge=1, le=1440)]
    domain: Domain
    purpose: Purpose


class FactorChange(Notice):
    """A second factor came, went or was suspended; which kind, and the name that its owner gave it."""

    factor_type: FactorType | None = None
    factor_name: Line | None = None


class BackupCodes(Notice):
    """Something about backup codes; `left` is how many are good now."""

    left: Count | None = None


class BackupCodesMade(BackupCodes):
    """New ones in place of the old; `has_key`: a recovery key came with them."""

    has_key: bool = False


class TrustedDeviceAdded(Notice):
    """A browser will not be asked for a code until `trusted_until`."""

    device_name: Line | None = None
    trusted_until: AwareDatetime | None = None


class RecoveryWaiting(Notice):
    """A lost device was reported; at `happens_at`, in `hours`, two-factor sign-in goes off."""

    happens_at: AwareDatetime
    hours: Annotated[int, Field(ge=1, le=24 * 30)]
    cancel_url: Link = Field(repr=False)


class RecoveryPending(Notice):
    """The same request again, while there is time to cancel it."""

    happens_at: AwareDatetime
    cancel_url: Link = Field(repr=False)


class RecoveryEnd(enum.StrEnum):
    """Why a waiting recovery is not carried out, as far as its owner needs to know."""

    STOPPED = "stopped"  # by somebody who may: the link, or signed in at the helpdesk
    SIGNED_IN = "signed_in"  # somebody passed with a second factor, or set one up
    DENIED = "denied"
    ATTACK = "attack"  # "this was not me"
    UNHEARD = "unheard"  # nobody could be told of it
    GONE = "gone"  # the second factors were removed
    LEFT = "left"  # the account signs in another way, or not at all


class RecoveryCancelled(Notice):
    """A waiting recovery is over; `cause` says by what, which decides on what helps now."""

    cause: RecoveryEnd = RecoveryEnd.STOPPED


class EnforcementStarted(Notice):
    """A second factor will be required from `deadline`, which is `days` away."""

    deadline: AwareDatetime
    days: Annotated[int, Field(ge=0, le=3650)]


class EnforcementReminder(Notice):
    """The deadline comes nearer; `left` is the time until then."""

    deadline: AwareDatetime
    left: Annotated[dt.timedelta, Field(ge=dt.timedelta(0))]


class EnforcementChanged(Notice):
    """An admin changed what is asked of one account. `deadline`: a second factor is required from then on;
    `exempt_until`: none is until then; neither: as the rules of the helpdesk say.
    """

    deadline: AwareDatetime | None = None
    exempt_until: AwareDatetime | None = None


class LockedOut(Notice):
    """The deadline has passed. `may_enrol`: a mailed code opens the enrolment, without an admin."""

    may_enrol: bool = False


class Unlocked(Notice):
    """An admin let the account in, `until` then."""

    until: AwareDatetime | None = None


class RecoveryCodeIssued(Notice):
    """An admin made a code that lets the account in once, until `expires_at`."""

    expires_at: AwareDatetime


class FailedAttempts(Notice):
    """Somebody passed the first factor and then typed `attempts` wrong codes."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 5


class ReportReady(Notice):
    """The report that an admin asked for; its link's button may be pressed `downloads` times before `expires_at`."""

    expires_at: AwareDatetime
    downloads: Annotated[int, Field(ge=1, le=10)]
    download_url: Link = Field(repr=False)


class DisputeForAdmins(Notice):
    """The owner of `account` said of what the notice `disputed` told at `happened_at`: "this was not me"."""

    account: AccountId
    disputed: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,60}$")]


class RecoveryForAdmins(Notice):
    """Nobody but the admins can hear of this recovery in time: it was proved by the account's only `mailbox`."""

    account: AccountId
    mailbox: Line  # masked
    recovery: UUID
    happens_at: AwareDatetime


class AdminProofOff(Notice):
    """Admins need show no second factor of their own any more before they act; `admin` None: an operator did it."""

    admin: AccountId | None = None


PARAMS: Mapping[Notification, type[Notice]] = MappingProxyType(
    {
        Notification.CODE: Code,
        Notification.FACTOR_ADDED: FactorChange,
        Notification.FACTOR_REMOVED: FactorChange,
        Notification.FACTOR_SUSPENDED: FactorChange,
        Notification.UNUSED_FACTORS_REMOVED: Notice,
        Notification.BACKUP_CODES_GENERATED: BackupCodesMade,
        Notification.BACKUP_CODE_USED: BackupCodes,
        Notification.BACKUP_CODES_LOW: BackupCodes,
        Notification.RECOVERY_KEY_MADE: Notice,
        Notification.RECOVERY_KEY_USED: Notice,
        Notification.TRUSTED_DEVICE_ADDED: TrustedDeviceAdded,
        Notification.RECOVERY_WAITING: RecoveryWaiting,
        Notification.RECOVERY_HALF_TIME: RecoveryPending,
        Notification.RECOVERY_LAST_HOUR: RecoveryPending,
        Notification.RECOVERY_EXECUTED: Notice,
        Notification.RECOVERY_CANCELLED: RecoveryCancelled,
        Notification.ENFORCEMENT_STARTED: EnforcementStarted,
        Notification.ENFORCEMENT_REMINDER: EnforcementReminder,
        Notification.ENFORCEMENT_CHANGED: EnforcementChanged,
        Notification.LOCKED_OUT: LockedOut,
        Notification.UNLOCKED: Unlocked,
        Notification.ACCOUNT_RESET: Notice,
        Notification.RECOVERY_CODE_ISSUED: RecoveryCodeIssued,
        Notification.RECOVERY_CODE_USED: Notice,
        Notification.FACTOR_SET_UP: FactorChange,
        Notification.ADDRESS_CHANGED: Notice,
        Notification.FAILED_ATTEMPTS: FailedAttempts,
        Notification.REPORT_READY: ReportReady,
        Notification.DISPUTE_FOR_ADMINS: DisputeForAdmins,
        Notification.RECOVERY_FOR_ADMINS: RecoveryForAdmins,
        Notification.ADMIN_PROOF_OFF: AdminProofOff,
    }
)
"""The model of each notification's parameters."""
