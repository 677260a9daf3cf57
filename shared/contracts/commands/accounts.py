"""Accounts, from first news to erasure, to policy."""

import datetime as dt
from uuid import UUID

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.types import Contact, EnforcementState, Keeper, Role, Value

_POLICY_REQUESTS = "policy.requests"
_POLICY_COMMANDS = "policy.commands"


class PutAccount(Request):
    """Create or change an account. `given` names the fields that the request held: others stay, None clears.

    `version` is of the whole change: an older one than is known is ignored. `is_whole` False: one fact was told, and
    counts unless that fact was told by a newer version. Answer: `AccountView`.
    """

    type = "put_account"
    lane = _POLICY_REQUESTS

    given: tuple[str, ...]
    role: Role | None = None
    email: Contact | None = None
    email_verified: bool | None = None
    phone: Contact | None = None
    locale: str | None = None
    time_zone: str | None = None
    sso: bool | None = None
    active: bool | None = None
    version: int | None = None
    is_import: bool = False  # the person is not told of a requirement that starts: a code follows, or a reminder
    is_whole: bool = True


class MovedEnforcement(Value):
    """What an admin elsewhere asked of or granted to one account alone. Instants are tenant time."""

    is_individually_required: bool = False
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None
    must_enrol_since: dt.datetime | None = None  # a reset or a recovery there took its factors


class ImportedAccount(Value):
    """One of many: whose, and what would be put if it came alone.

    `enforcement` counts where the account is new: who was here before has what was decided here.
    """

    account_id: str
    change: PutAccount
    enforcement: MovedEnforcement | None = None


class ImportAccounts(Request):
    """Create or change accounts that come from another system, each once. Answer: `ImportedAccounts`, in their order.

    `request` is of the whole; those of the single changes are not looked at.
    """

    type = "import_accounts"
    lane = _POLICY_REQUESTS

    accounts: tuple[ImportedAccount, ...]


class EraseAccount(Request):
    """Forget an account, unless something newer than `version` is known of it. Answer: `ErasureView`."""

    type = "erase_account"
    lane = _POLICY_REQUESTS

    version: int | None = None


class ReadPersonalData(Request):
    """What policy knows of a person, contacts sealed to the notifier. Answer: `PersonalData`."""

    type = "read_personal_data"
    lane = _POLICY_REQUESTS

    is_look: bool = False  # for the head of the answer only: nobody takes anything away


class ConcludeErasure(Command):
    """A service has destroyed all that it had of the account. After otp_worker's part its id may be given again."""

    type = "conclude_erasure"
    lane = _POLICY_COMMANDS

    erasure_id: UUID
    keeper: Keeper = Keeper.OTP_WORKER


class ReadAccount(Request):
    """An account and where it stands. Answer: `AccountView`."""

    type = "read_account"
    lane = _POLICY_REQUESTS


class ListAccounts(Request):
    """A page of the tenant's accounts in the order of their ids. Answer: `AccountsPage`."""

    type = "list_accounts"
    lane = _POLICY_REQUESTS

    role: Role | None = None
    state: EnforcementState | None = None
    after: str | None = None
    limit: int = 50


class RecordPasswordChange(Command):
    """The helpdesk says that an account's password changed at `changed_at`; None: now, in tenant time."""

    type = "record_password_change"
    lane = _POLICY_COMMANDS

    changed_at: dt.datetime | None = None
    version: int | None = None


class ProveMailbox(Command):
    """A mailed code came back from the address of this digest: if it is the account's, the mailbox is proved."""

    type = "prove_mailbox"
    lane = _POLICY_COMMANDS

    digest: str


class ReadGate(Request):
    """May the account's running sessions go on. Answer: `GateView`."""

    type = "read_gate"
    lane = _POLICY_REQUESTS


class MoveClock(Request):
    """Move a sandbox tenant's clock forward, and its pending timers with it. Answer: `ClockView`."""

    type = "move_clock"
    lane = _POLICY_REQUESTS

    advance_seconds: int
