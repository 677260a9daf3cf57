"""Every request one service makes of another. Imperative; one handling service each; may be refused.

Those with a `request` come from the HTTP API and are answered (`replies.py`); `request` is None where the call needs no
Idempotency-Key. What a person typed and full destinations are `Sealed`.
"""

import datetime as dt
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Command
from shared.contracts.notifications import Notification
from shared.contracts.policy import WholePolicy
from shared.contracts.types import (
    AccountId,
    Acting,
    ChallengeId,
    Channel,
    Contact,
    Context,
    DeliveryId,
    DeviceId,
    EndpointId,
    EnforcementState,
    FactorId,
    FactorType,
    FirstFactor,
    MovedDestination,
    PermitId,
    Purpose,
    RecoveryId,
    ReportId,
    RequestKey,
    Role,
    Sealed,
    WebhookDeliveryId,
    WebhookState,
)

_OTP_LOGINS = "otp_worker.logins"
_OTP_FACTORS = "otp_worker.factors"
_OTP_COMMANDS = "otp_worker.commands"
_POLICY_REQUESTS = "policy.requests"
_POLICY_PREVIEWS = "policy.previews"
_POLICY_COMMANDS = "policy.commands"
_NOTIFIER_REQUESTS = "notifier.requests"
_AUDIT_REQUESTS = "audit.requests"


class Request(Command):
    """A command that is answered."""

    request: RequestKey | None = None


# --- otp_worker: logins and challenges -------------------------------------------------------------------------------


class StartLogin(Request):
    """The first factor was right: may this account in? Answer: `LoginAnswer`."""

    type = "start_login"
    lane = _OTP_LOGINS

    purpose: Purpose = Purpose.SIGN_IN
    first_factor: FirstFactor
    password_changed_at: dt.datetime | None = None
    trusted_device_token: Sealed | None = None  # typed_place(tenant, account id, "trusted_device_token")
    context: Context = Context()


class VerifyCode(Request):
    """A code was typed at a challenge: is it right? Answer: `VerifyAnswer`.

    Exactly one of `code`, `backup_code`, `recovery_key`, `recovery_code`;
    sealed at ``typed_place(tenant, challenge id, "code")``.
    """

    type = "verify_code"
    lane = _OTP_LOGINS

    challenge_id: ChallengeId
    factor_id: FactorId | None = None
    code: Sealed | None = None
    backup_code: Sealed | None = None
    recovery_key: Sealed | None = None
    recovery_code: Sealed | None = None
    trust_device: bool = False
    context: Context = Context()


class SendCode(Request):
    """Send (again) a code for a factor of an open challenge. Answer: `ChallengeView`."""

    type = "send_code"
    lane = _OTP_LOGINS

    challenge_id: ChallengeId
    factor_id: FactorId | None = None  # None: the mailbox, where the challenge offers it


class CancelChallenge(Request):
    """End an open challenge. Answer: `ChallengeView`."""

    type = "cancel_challenge"
    lane = _OTP_LOGINS

    challenge_id: ChallengeId


class ReadChallenge(Request):
    """How a challenge stands. Answer: `ChallengeView`."""

    type = "read_challenge"
    lane = _OTP_LOGINS

    challenge_id: ChallengeId


class ReadSecurity(Request):
    """Factors, backup codes and trusted devices of an account. Answer: `SecurityView`."""

    type = "read_security"
    lane = _OTP_FACTORS


# --- otp_worker: factors, backup codes, trusted devices ---------------------------------------------------------------


class StartEnrolment(Request):
    """Make a pending factor. Answer: `EnrolmentAnswer` (holds the seed of a TOTP factor)."""

    type = "start_enrolment"
    lane = _OTP_FACTORS

    factor_type: FactorType
    name: str | None = None
    destination: Contact | None = None  # sms, email
    proof: ChallengeId | None = None  # a challenge verified ≤ 10 min ago, or the login's own enrolment challenge
    replaces: FactorId | None = None
    acting: Acting | None = None  # an admin sets it up for an account that has no factor
    reason: str | None = None  # theirs


class ConfirmEnrolment(Request):
    """Prove a pending factor by one right code. Answer: `ConfirmationAnswer` (may hold backup codes).

    `code` is sealed at ``typed_place(tenant, factor id, "code")``.
    """

    type = "confirm_enrolment"
    lane = _OTP_FACTORS

    factor_id: FactorId
    code: Sealed


class SendEnrolmentCode(Request):
    """Send (again) the code that proves a pending sms or email factor. Answer: `FactorView`."""

    type = "send_enrolment_code"
    lane = _OTP_FACTORS

    factor_id: FactorId


class RenameFactor(Request):
    """Give a factor another name. Answer: `FactorView`."""

    type = "rename_factor"
    lane = _OTP_FACTORS

    factor_id: FactorId
    name: str


class RevokeFactor(Request):
    """Remove a factor. Answer: `FactorView`; refused for the last one of a required account."""

    type = "revoke_factor"
    lane = _OTP_FACTORS

    factor_id: FactorId
    proof: ChallengeId | None = None


class RegenerateBackupCodes(Request):
    """Ten new backup codes; the old ones are void. Answer: `BackupCodesAnswer` (holds the codes)."""

    type = "regenerate_backup_codes"
    lane = _OTP_FACTORS

    proof: ChallengeId | None = None


class AcknowledgeBackupCodes(Request):
    """The person says that the codes are saved. Answer: `BackupCodesStatus`."""

    type = "acknowledge_backup_codes"
    lane = _OTP_FACTORS


class RevokeTrustedDevices(Request):
    """End the trust of one device, or of all (`device_id` None). Answer: `RevokedDevices`."""

    type = "revoke_trusted_devices"
    lane = _OTP_FACTORS

    device_id: DeviceId | None = None


class ResetAccount(Request):
    """An admin takes an account's second factors off. Answer: `ResetAnswer`, also where there was nothing to take."""

    type = "reset_account"
    lane = _OTP_FACTORS

    reason: str
    acting: Acting


class ImportFactors(Request):
    """Take over what an account had in another system: active at once. Answer: `ImportedFactors`.

    The operator permits it (`permit_id`). `secrets` are `moving.MovedSecrets`, JSON, sealed at ``typed_place(tenant,
    account id, "import")``. Said again, it changes nothing.
    """

    type = "import_factors"
    lane = _OTP_FACTORS

    permit_id: PermitId
    destinations: tuple[MovedDestination, ...] = ()  # proved in the other system
    secrets: Sealed | None = None


class MakeRecoveryCode(Request):
    """An admin makes a code that is good once, for so many minutes. Answer: `RecoveryCodeAnswer` (holds the code)."""

    type = "make_recovery_code"
    lane = _OTP_FACTORS

    reason: str
    minutes: int = 60
    acting: Acting


class CancelChallenges(Command):
    """The account signs in through SSO from now on, or not at all: what is under way ends."""

    type = "cancel_challenges"
    lane = _OTP_COMMANDS

    reason: str


class ExportAccounts(Request):
    """The next page of a tenant's accounts, sealed to the key of the operator's permit. Answer: `ExportedPage`."""

    type = "export_accounts"
    lane = _OTP_FACTORS

    permit_id: PermitId
    after: str | None = None


class OpenRecoveryChallenge(Command):
    """Mail the code that proves the mailbox of a recovery request."""

    type = "open_recovery_challenge"
    lane = _OTP_COMMANDS

    recovery_id: RecoveryId
    challenge_id: ChallengeId
    mailbox: Contact


class ExecuteRecovery(Command):
    """The waiting period is over: revoke the factors, unless a real success came after `requested_at`."""

    type = "execute_recovery"
    lane = _OTP_COMMANDS

    recovery_id: RecoveryId
    requested_at: dt.datetime


# --- policy -----------------------------------------------------------------------------------------------------------


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


class EraseAccount(Request):
    """Forget an account, unless something newer than `version` is known of it. Answer: `ErasureView`."""

    type = "erase_account"
    lane = _POLICY_REQUESTS

    version: int | None = None


class ReadPersonalData(Request):
    """What policy knows of a person, contacts sealed to the notifier. Answer: `PersonalData`."""

    type = "read_personal_data"
    lane = _POLICY_REQUESTS


class ConcludeErasure(Command):
    """otp_worker has destroyed all that it had of the account: its id may be given again."""

    type = "conclude_erasure"
    lane = _POLICY_COMMANDS

    erasure_id: UUID


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


class PutPolicy(Request):
    """Replace the tenant's policy. Answer: `PolicyView`."""

    type = "put_policy"
    lane = _POLICY_REQUESTS

    policy: WholePolicy
    acting: Acting | None = None
    is_forced: bool = False  # though no admin could sign in after the deadline
    is_immediate: bool = False  # a nearer deadline leaves nobody the day that it else does


class PreviewPolicy(Request):
    """What `PutPolicy` would do, without doing it. Answer: `PolicyPreview`."""

    type = "preview_policy"
    lane = _POLICY_PREVIEWS

    policy: WholePolicy
    is_immediate: bool = False


class ReadPolicy(Request):
    """The tenant's policy. Answer: `PolicyView`."""

    type = "read_policy"
    lane = _POLICY_REQUESTS


class Unlock(Request):
    """An admin opens a locked-out account until `hours` from now. Answer: `AccountView`."""

    type = "unlock"
    lane = _POLICY_REQUESTS

    hours: int
    reason: str
    acting: Acting | None = None


class ReadGate(Request):
    """May the account's running sessions go on. Answer: `GateView`."""

    type = "read_gate"
    lane = _POLICY_REQUESTS


class ChangeEnforcement(Request):
    """Require or exempt one account, or extend its deadline. Answer: `AccountView`.

    `given` names what the request held: the rest stays, None ends what there is.
    """

    type = "change_enforcement"
    lane = _POLICY_REQUESTS

    given: tuple[str, ...]
    required: bool | None = None
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None
    reason: str
    acting: Acting | None = None


class ClearEnforcement(Request):
    """Nothing is required of or granted to one account alone any more. Answer: `AccountView`."""

    type = "clear_enforcement"
    lane = _POLICY_REQUESTS

    reason: str
    acting: Acting | None = None


class StartRecovery(Request):
    """The person lost the device. Answer: `RecoveryView` with the challenge that proves the mailbox."""

    type = "start_recovery"
    lane = _POLICY_REQUESTS

    context: Context = Context()


class ReadRecovery(Request):
    """The account's newest recovery request. Answer: `RecoveryView`."""

    type = "read_recovery"
    lane = _POLICY_REQUESTS


class CancelRecovery(Request):
    """Stop a recovery: the person, by a link's `token` or signed in; `is_attack`: "this was not me".

    Answer: `RecoveryView`.
    """

    type = "cancel_recovery"
    lane = _POLICY_REQUESTS

    recovery_id: RecoveryId
    token: Sealed | None = None  # ring seal.policy, typed_place(tenant, recovery id, "token")
    is_attack: bool = False
    acting: Acting | None = None  # an admin stops it


class DenyRecovery(Request):
    """An admin refuses a recovery. Answer: `RecoveryView`."""

    type = "deny_recovery"
    lane = _POLICY_REQUESTS

    recovery_id: RecoveryId
    reason: str
    acting: Acting | None = None


class StartReport(Request):
    """Write the list of who uses a second factor: of one role or state where it is said. Answer: `ReportView`.

    `mail_to`: the account of an admin, who is mailed a link when it is ready.
    """

    type = "start_report"
    lane = _POLICY_REQUESTS

    role: Role | None = None
    state: EnforcementState | None = None
    mail_to: AccountId | None = None
    acting: Acting | None = None


class ReadReport(Request):
    """How far a report is. Answer: `ReportView`."""

    type = "read_report"
    lane = _POLICY_REQUESTS

    report_id: ReportId


class OpenReport(Request):
    """A download begins: by the mailed link, whose `token` is good three times, or by an API key.

    Answer: `OpenedReport`.
    """

    type = "open_report"
    lane = _POLICY_REQUESTS

    report_id: ReportId
    token: Sealed | None = None  # ring seal.policy, typed_place(tenant, report id, "token")
    is_look: bool = False  # what a download would be, without one: nothing is counted, nothing said


class ReadReportChunk(Request):
    """A piece of a report, for a download that `OpenReport` allowed. Answer: `ReportChunk`."""

    type = "read_report_chunk"
    lane = _POLICY_REQUESTS

    report_id: ReportId
    number: int  # from 0


class MoveClock(Request):
    """Move a sandbox tenant's clock forward, and its pending timers with it. Answer: `ClockView`."""

    type = "move_clock"
    lane = _POLICY_REQUESTS

    advance_seconds: int


class ConcludeRecovery(Command):
    """otp_worker has executed a recovery, or refused because a real success came after it was asked for."""

    type = "conclude_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId
    is_executed: bool
    revoked_factors: int = 0


class WriteReportPage(Command):
    """Write the next page of a report: number `page`, counted from 0."""

    type = "write_report_page"
    lane = _POLICY_COMMANDS

    report_id: ReportId
    page: int


# --- policy: what its timers fire -------------------------------------------------------------------------------------


class AnnounceRequirement(Command):
    """A requirement started: give notice to the accounts after `after`, a page at a time."""

    type = "announce_requirement"
    lane = _POLICY_COMMANDS

    policy_version: int
    after: str | None = None


class RemindOfEnforcement(Command):
    """A reminder is due, if it is still true: `stage` is ``7d``, ``3d``, ``1d`` or ``1h``."""

    type = "remind_of_enforcement"
    lane = _POLICY_COMMANDS

    stage: str
    deadline: dt.datetime


class LockOutAccount(Command):
    """A deadline has passed: lock out, if the account has no factor by now."""

    type = "lock_out_account"
    lane = _POLICY_COMMANDS

    deadline: dt.datetime


class ReviewEnforcement(Command):
    """An exemption may be over: give the notice that is due."""

    type = "review_enforcement"
    lane = _POLICY_COMMANDS


class RemindOfRecovery(Command):
    """A notice of a waiting recovery is due: `stage` is ``half_time`` or ``last_hour``."""

    type = "remind_of_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId
    stage: str


class FinishRecovery(Command):
    """The waiting period of a recovery may be over."""

    type = "finish_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId


class ExpireRecovery(Command):
    """The draft of a recovery was not proved in time."""

    type = "expire_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId


class ExpireReport(Command):
    """The time of a report may be over."""

    type = "expire_report"
    lane = _POLICY_COMMANDS

    report_id: ReportId


# --- notifier ---------------------------------------------------------------------------------------------------------


class Notify(Command):
    """Get a notification to a person over one channel; once, or twice when the provider's answer was lost.

    `params` are the notification's (`notifications.PARAMS`); a code travels in `code`, sealed at
    ``secret_param_place(tenant, account, delivery id)``; further parameters that hold a token (`cancel_url`,
    `download_url`) travel in `secrets`, a JSON object sealed at the same place. The link "this was not me" is the
    notifier's own and never travels. Never sent after `not_after`, which is tenant time.
    """

    delivery_id: DeliveryId
    notification: Notification
    destination: Contact
    language: str = "en"
    time_zone: str = "UTC"
    params: dict[str, object]
    code: Sealed | None = None
    secrets: Sealed | None = None
    not_after: dt.datetime | None = None
    challenge_id: ChallengeId | None = None
    factor_id: FactorId | None = None
    recovery_id: RecoveryId | None = None


class SendEmail(Notify):
    """`Notify` by e-mail."""

    type = "send_email"
    lane = "notifier.email"

    channel: ClassVar[Channel] = Channel.EMAIL


class SendSms(Notify):
    """`Notify` by SMS."""

    type = "send_sms"
    lane = "notifier.sms"

    channel: ClassVar[Channel] = Channel.SMS


class ReadSandboxMessages(Request):
    """What a sandbox tenant's people were sent, codes in clear. Answer: `SandboxMessages`."""

    type = "read_sandbox_messages"
    lane = _NOTIFIER_REQUESTS

    account_id: str | None = None
    after: DeliveryId | None = None
    limit: int = 50


class ReadDeliveriesOfAccount(Request):
    """What was sent to an account, newest first, destinations sealed to the notifier. Answer: `SentDeliveries`."""

    type = "read_deliveries_of_account"
    lane = _NOTIFIER_REQUESTS


class ReadDeliveries(Request):
    """The deliveries of a challenge's codes. Answer: `DeliveriesView`."""

    type = "read_deliveries"
    lane = _NOTIFIER_REQUESTS

    challenge_id: ChallengeId


class RecordReceipt(Request):
    """A provider reports on a delivery; genuine only if `signature` fits. Answer: `ReceiptAnswer`.

    `params` are the fields of the report, a JSON object sealed at ``typed_place(tenant, delivery id, "receipt")``: one
    of them is the full number.
    """

    type = "record_receipt"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    url: str
    params: Sealed
    signature: str


class ReadNotice(Request):
    """What a notice said, for whoever holds its link "this was not me". Answer: `NoticeView`."""

    type = "read_notice"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    token: Sealed  # ring seal.notifier, typed_place(tenant, delivery id, "token")


class DisputeNotice(Request):
    """The person says of what a notice told: this was not me. Answer: `NoticeView`."""

    type = "dispute_notice"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    token: Sealed  # as in `ReadNotice`


class CreateWebhookEndpoint(Request):
    """Send events to an address. Answer: `NewWebhookEndpoint`.

    `url` is sealed at ``webhook_place(tenant, endpoint id, "url")``: what stands in it may be a password. `events` are
    types, ``noun.*`` or ``*``.
    """

    type = "create_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    url: Sealed
    description: str = ""
    events: tuple[str, ...] = ("*",)


class ReadWebhookEndpoints(Request):
    """All endpoints of the tenant, or one. Answer: `WebhookEndpoints`."""

    type = "read_webhook_endpoints"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId | None = None


class ChangeWebhookEndpoint(Request):
    """Change what is not None; `enabled` on again forgets why it went off. Answer: `WebhookEndpointView`."""

    type = "change_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    url: Sealed | None = None
    description: str | None = None
    events: tuple[str, ...] | None = None
    enabled: bool | None = None


class DeleteWebhookEndpoint(Request):
    """Forget an endpoint and its secret; what waits for it is not sent. Answer: `DeletedWebhookEndpoint`."""

    type = "delete_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId


class TryWebhookEndpoint(Request):
    """Send a `webhook_endpoint.tested`, whatever the endpoint's filter says. Answer: `WebhookDeliveryView`."""

    type = "try_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId


class RotateWebhookSecret(Request):
    """A new secret; the one before signs as well for 24 hours. Answer: `NewWebhookEndpoint`."""

    type = "rotate_webhook_secret"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId


class ReadWebhookDeliveries(Request):
    """A page of what was sent to an endpoint, newest first. Answer: `WebhookDeliveries`."""

    type = "read_webhook_deliveries"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    state: WebhookState | None = None
    before: WebhookDeliveryId | None = None
    limit: int = 50


class RedeliverWebhook(Request):
    """Send once more, with the same `webhook-id` and a new schedule. Answer: `WebhookDeliveryView`."""

    type = "redeliver_webhook"
    lane = _NOTIFIER_REQUESTS

    delivery_id: WebhookDeliveryId


# --- audit ------------------------------------------------------------------------------------------------------------


class ReadEntries(Request):
    """Read the audit log of a tenant, of one account where the envelope names one. Answer: `EntriesAnswer`."""

    type = "read_entries"
    lane = _AUDIT_REQUESTS

    after: int = 0  # sequence number
    before: int | None = None
    limit: int = 50
    newest_first: bool = False
    types: tuple[str, ...] = ()
    with_proof: bool = False  # each entry with what its hash is made of


class ReadProof(Request):
    """What an outsider needs to check the tenant's chain. Answer: `ProofAnswer`."""

    type = "read_proof"
    lane = _AUDIT_REQUESTS


def request_scope(method: str, path: str) -> str:
    """The scope of an Idempotency-Key within its tenant."""
    return f"{method} {path}"


SYSTEM_TENANT = UUID(int=0)
"""The chain of what concerns no tenant."""
