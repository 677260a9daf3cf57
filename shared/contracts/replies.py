"""What a deciding service answers the gateway: data, or a refusal. On the way it is sealed as a whole."""

import datetime as dt
import enum
from typing import Literal
from uuid import UUID

from shared.contracts.policy import Policy
from shared.contracts.types import (
    ChallengeId,
    ChallengeState,
    Channel,
    Contact,
    Decision,
    DeliveryId,
    DeliveryState,
    DeviceId,
    EndpointId,
    EnforcementState,
    FactorId,
    FactorState,
    FactorType,
    Method,
    Purpose,
    RecoveryId,
    RecoveryState,
    ReportId,
    ReportState,
    Role,
    Value,
    WebhookDeliveryId,
    WebhookState,
)


class RefusalCode(enum.StrEnum):
    """Why a request was not done. The gateway has one problem document for each (`services/gateway/problems.py`)."""

    ACCOUNT_NOT_FOUND = "account_not_found"
    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_ERASED = "account_erased"  # at this version, or a later one
    ACTOR_NOT_AN_ADMIN = "actor_not_an_admin"
    ACTOR_PROOF_REQUIRED = "actor_proof_required"
    ALREADY_ANSWERED = "already_answered"  # the answer held a secret, whose ten minutes are over
    APPROVER_REQUIRED = "approver_required"
    CHALLENGE_NOT_FOUND = "challenge_not_found"
    CHALLENGE_NOT_OPEN = "challenge_not_open"  # verified, redeemed or cancelled already
    CHALLENGE_EXPIRED = "challenge_expired"
    CHALLENGE_EXHAUSTED = "challenge_exhausted"
    CLOCK_TOO_FAR = "clock_too_far"  # of a sandbox
    CLOCK_OFF = "clock_off"  # right code of another time; `minutes_off`
    CODE_ALREADY_USED = "code_already_used"
    CODE_WRONG = "code_wrong"  # `attempts_left`
    CODES_UNSAVED = "codes_unsaved"  # nobody said that the codes shown before activation are saved; nothing was judged
    CODE_MALFORMED = "code_malformed"  # could not be opened or has another form; counts as no attempt
    DEVICE_NOT_FOUND = "device_not_found"
    EMAIL_NOT_VERIFIED = "email_not_verified"
    FACTOR_NOT_FOUND = "factor_not_found"
    FACTOR_NOT_OFFERED = "factor_not_offered"
    FACTOR_NOT_PENDING = "factor_not_pending"
    HAS_FACTORS = "has_factors"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INTERNAL_ERROR = "internal_error"
    KEY_MISSING = "key_missing"  # a key ring lacks a key: 503, never "no second factor"
    LAST_FACTOR_REQUIRED = "last_factor_required"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOTICE_EXPIRED = "notice_expired"  # its link "this was not me" was good for 30 days
    NOTICE_NOT_FOUND = "notice_not_found"
    NOT_PERMITTED = "not_permitted"  # no operator did, or the permit's time is over
    NO_BACKUP_CODES = "no_backup_codes"
    NO_FACTORS = "no_factors"
    NO_MAILBOX = "no_mailbox"
    NO_RECOVERY_KEY = "no_recovery_key"
    NOT_AN_ADMIN = "not_an_admin"
    NOT_A_SANDBOX = "not_a_sandbox"
    NOT_LOCKED_OUT = "not_locked_out"
    NOT_ON_ONESELF = "not_on_oneself"
    PROOF_REQUIRED = "proof_required"
    RECOVERY_NOT_FOUND = "recovery_not_found"
    RECOVERY_NOT_OFFERED = "recovery_not_offered"
    RECOVERY_OVER = "recovery_over"  # executed, cancelled, denied or expired already
    REPORT_EXPIRED = "report_expired"
    REPORT_NOT_FOUND = "report_not_found"
    REPORT_NOT_READY = "report_not_ready"  # `retry_after_seconds`
    REPORT_USED_UP = "report_used_up"  # its link was good three times
    SIGNATURE_WRONG = "signature_wrong"
    THROTTLED = "throttled"  # `retry_after_seconds`
    TOO_MANY_CHALLENGES = "too_many_challenges"
    TOO_MANY_FACTORS = "too_many_factors"
    TOO_MANY_RECOVERIES = "too_many_recoveries"
    TOO_MANY_REPORTS = "too_many_reports"
    TOO_MANY_SENDS = "too_many_sends"
    TOO_MANY_WEBHOOK_ENDPOINTS = "too_many_webhook_endpoints"
    TOO_SOON = "too_soon"  # `retry_after_seconds`
    UNTIL_OUT_OF_RANGE = "until_out_of_range"  # past, or more than a year ahead
    VERSION_OUTDATED = "version_outdated"  # something newer is known of the account
    UNAVAILABLE = "unavailable"  # the deciding service cannot reach its database
    WEBHOOK_DELIVERY_NOT_FOUND = "webhook_delivery_not_found"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint_disabled"
    WEBHOOK_ENDPOINT_NOT_FOUND = "webhook_endpoint_not_found"
    WEBHOOK_URL_REFUSED = "webhook_url_refused"
    WOULD_LOCK_OUT_ADMINS = "would_lock_out_admins"


class Refusal(Value):
    """A refusal and the figures that help the person on."""

    code: RefusalCode
    detail: str | None = None  # in addition to the problem's own text; no input is echoed
    attempts_left: int | None = None
    retry_after_seconds: int | None = None
    next_send_at: dt.datetime | None = None
    minutes_off: int | None = None


class OfferedFactor(Value):
    """A factor as a challenge offers it. `factor_id` None: the account's verified mailbox."""

    factor_id: FactorId | None
    type: FactorType
    name: str
    destination: str | None = None  # masked
    next_send_at: dt.datetime | None = None


class ChallengeView(Value):
    """A challenge as its tenant sees it."""

    id: ChallengeId
    account_id: str
    purpose: Purpose
    state: ChallengeState
    factors: tuple[OfferedFactor, ...]
    has_backup_codes: bool = False
    has_recovery_key: bool = False
    attempts_left: int
    sends_left: int
    next_send_at: dt.datetime | None = None
    expires_at: dt.datetime
    sent_to: FactorId | None = None  # the factor whose code is on its way


class LoginAnswer(Value):
    """May the account in."""

    decision: Decision
    reason: str
    challenge: ChallengeView | None = None
    deadline: dt.datetime | None = None
    notice: str | None = None
    assertion: str | None = None  # JWT, when a trusted device stood in for the code


class TrustedDeviceToken(Value):
    """A new trust: the token is shown once."""

    id: DeviceId
    token: str
    expires_at: dt.datetime


class VerifyAnswer(Value):
    """The code was right."""

    method: Method
    amr: tuple[str, ...]
    assertion: str | None = None  # JWT, EdDSA, 60 s; None: a mailbox was proved, which is no login
    trusted_device: TrustedDeviceToken | None = None
    backup_codes_left: int | None = None  # None: the account has none of them
    recovery_key: str | None = None  # the new one, shown this once: the one that was typed is used up
    leads_to: Literal["security"] | None = None  # a code stood in for a factor: where a new one is set up


class FactorView(Value):
    """A factor as its tenant sees it."""

    id: FactorId
    type: FactorType
    state: FactorState
    name: str
    destination: str | None = None  # masked
    created_at: dt.datetime
    expires_at: dt.datetime | None = None
    confirmed_at: dt.datetime | None = None
    last_used_at: dt.datetime | None = None
    next_send_at: dt.datetime | None = None


class TotpSetup(Value):
    """What an authenticator needs: base32 seed, and the otpauth URI that holds it."""

    seed: str
    uri: str


class EnrolmentAnswer(Value):
    """A pending factor."""

    factor: FactorView
    totp: TotpSetup | None = None
    backup_codes: tuple[str, ...] | None = None  # of a first factor whose codes are to be saved before it is active
    recovery_key: str | None = None


class ConfirmationAnswer(Value):
    """A factor is active now."""

    factor: FactorView
    backup_codes: tuple[str, ...] | None = None  # the first factor brings ten, or a recovery key, as the policy says
    recovery_key: str | None = None
    assertion: str | None = None  # enrolled inside a login: the confirmation is its proof


class RecoveryKeyStatus(Value):
    """A recovery key that is good; `made_at`: with the set, or when the one before was used."""

    made_at: dt.datetime
    acknowledged_at: dt.datetime | None = None  # None: nobody said that it is saved


class PendingCodesStatus(Value):
    """Codes that were shown before activation: good once they are acknowledged and the factor is active."""

    made_at: dt.datetime
    expires_at: dt.datetime
    acknowledged_at: dt.datetime | None = None


class BackupCodesStatus(Value):
    """How many codes there are, and whether the person said that they are saved."""

    codes_left: int
    generated_at: dt.datetime | None = None
    acknowledged_at: dt.datetime | None = None
    recovery_key: RecoveryKeyStatus | None = None
    pending: PendingCodesStatus | None = None


class ImportRefusal(enum.StrEnum):
    """Why a part of what an account had elsewhere was not taken over."""

    ENROLLED_HERE = "enrolled_here"  # it has a factor of its own: another one takes a fresh proof
    TOO_MANY_FACTORS = "too_many_factors"
    CODES_MADE_HERE = "codes_made_here"
    TOO_MANY_CODES = "too_many_codes"


class ImportedFactors(Value):
    """What an import brought; `known` was there from an import before, or ended here since."""

    factors: int
    backup_codes: int
    known: int
    refused: tuple[ImportRefusal, ...] = ()


class ExportedPage(Value):
    """A page of a tenant's copy: an age file, base64, that only the tenant can open."""

    sealed: str
    accounts: int
    next_after: str | None = None


class BackupCodesAnswer(Value):
    """What the policy says is made anew, shown once: ten codes, a recovery key, or both."""

    backup_codes: tuple[str, ...] | None = None
    recovery_key: str | None = None


class TrustedDeviceView(Value):
    """A trusted device, without its token."""

    id: DeviceId
    name: str
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None = None


class SecurityView(Value):
    """What an account has enrolled, and what holds it back."""

    factors: tuple[FactorView, ...]
    backup_codes: BackupCodesStatus
    trusted_devices: tuple[TrustedDeviceView, ...]
    throttled_until: dt.datetime | None = None


class RevokedDevices(Value):
    """How many trusts were ended."""

    revoked: int


class RecoveryCodeAnswer(Value):
    """A recovery code, shown once."""

    recovery_code: str
    expires_at: dt.datetime


class ResetAnswer(Value):
    """What a reset took away: active and suspended factors, and trusted devices."""

    revoked_factors: int
    revoked_devices: int


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
    """An account that is forgotten; `is_finished`: its factors and its data key are destroyed, its id is free again."""

    account_id: str
    version: int | None = None
    erased_at: dt.datetime
    is_finished: bool


class AccountsPage(Value):
    """A page of accounts."""

    accounts: tuple[AccountView, ...]
    has_more: bool
    next_after: str | None = None  # where the next page starts; with a state, a page may hold fewer than asked for


class PolicyView(Value):
    """A tenant's policy and its version."""

    version: int
    policy: Policy
    updated_at: dt.datetime | None = None


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


class RecoveryView(Value):
    """A recovery request."""

    id: RecoveryId
    state: RecoveryState
    requested_at: dt.datetime
    ready_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    end_reason: str | None = None
    challenge_id: ChallengeId | None = None  # proves the mailbox, while the state is `draft`
    mailbox: str | None = None  # masked


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


class ReportProgress(Value):
    """Accounts looked at, of how many; `total` is counted when the work begins."""

    done: int
    total: int | None = None


class ReportView(Value):
    """A report: who uses a second factor."""

    id: ReportId
    format: str
    state: ReportState
    role: Role | None = None
    enforcement_state: EnforcementState | None = None
    progress: ReportProgress
    accounts: int  # in it so far
    size_bytes: int
    requested_at: dt.datetime
    ready_at: dt.datetime | None = None
    expires_at: dt.datetime
    mail_to_account: str | None = None
    downloads_left: int | None = None  # of the mailed link; with an API key there is no count


class OpenedReport(Value):
    """A download that may begin: so many chunks, which are so many bytes together."""

    file_name: str
    chunks: int
    size_bytes: int


class ReportChunk(Value):
    """A piece of the file, compressed (RFC 1950) and sealed: ring seal.policy, `report_chunk_place`."""

    sealed: str


class ClockView(Value):
    """A sandbox tenant's time."""

    now: dt.datetime
    offset_seconds: int


class DeliveryView(Value):
    """One delivery as its tenant sees it; `destination` is masked."""

    id: DeliveryId
    channel: Channel
    notification: str
    destination: str
    state: DeliveryState
    reason: str | None = None
    queued_at: dt.datetime
    ended_at: dt.datetime | None = None


class SentDelivery(DeliveryView):
    """A delivery, and where it went."""

    sealed: str


class SentDeliveries(Value):
    """Deliveries of an account, newest first; the newest thousand."""

    deliveries: tuple[SentDelivery, ...]


class DeliveriesView(Value):
    """Deliveries, oldest first."""

    deliveries: tuple[DeliveryView, ...]


class SandboxMessage(Value):
    """A message as its person would have seen it."""

    id: DeliveryId
    account_id: str
    channel: Channel
    notification: str
    to: str
    subject: str | None = None
    text: str
    code: str | None = None
    sent_at: dt.datetime


class SandboxMessages(Value):
    """Messages, oldest first."""

    messages: tuple[SandboxMessage, ...]
    has_more: bool


class NoticeView(Value):
    """A notice as the page behind its link shows it; `subject` and `happened_at` are in words, in `language`."""

    notification: str
    subject: str
    happened_at: str | None = None
    language: str
    tenant_name: str
    disputed_at: dt.datetime | None = None


class ReceiptAnswer(Value):
    """A provider's report was taken in, or was known already."""

    is_new: bool


class WebhookEndpointView(Value):
    """A webhook endpoint, without its secret."""

    id: EndpointId
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    disabled_at: dt.datetime | None = None
    disabled_reason: str | None = None  # `requested`, `gone`, `failing`
    failing_since: dt.datetime | None = None  # nothing got through since
    missed: int = 0  # events left out because too many were waiting; the feed has them
    previous_secret_until: dt.datetime | None = None
    created_at: dt.datetime


class NewWebhookEndpoint(WebhookEndpointView):
    """A webhook endpoint and its new secret, which is shown this once."""

    secret: str


class WebhookEndpoints(Value):
    """Endpoints in the order in which they were made."""

    endpoints: tuple[WebhookEndpointView, ...]


class DeletedWebhookEndpoint(Value):
    """The endpoint that is no more."""

    id: EndpointId


class WebhookDeliveryView(Value):
    """One event on its way to one endpoint. `event_id` travels as `webhook-id`."""

    id: WebhookDeliveryId
    endpoint_id: EndpointId
    event_id: str
    event_type: str
    state: WebhookState
    attempts: int
    status: int | None = None  # HTTP, of the last answer
    reason: str | None = None  # why the last attempt failed, or why there will be no other
    queued_at: dt.datetime
    next_attempt_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None


class WebhookDeliveries(Value):
    """A page of deliveries, newest first."""

    deliveries: tuple[WebhookDeliveryView, ...]
    has_more: bool


class Entry(Value):
    """One entry of the audit log, its payload opened; `event` None: erased or past retention."""

    seq: int
    id: str
    type: str
    at: dt.datetime
    account_id: str | None
    actor: str | None
    event: dict[str, object] | None
    pseudonym: str | None = None  # these four in hexadecimal, where they were asked for
    payload_digest: str | None = None
    previous_hash: str | None = None
    hash: str | None = None


class SignedHeadView(Value):
    """A signed end of the chain, as the event `audit.head` tells it."""

    seq: int
    hash: str
    signed_at: dt.datetime
    key_id: str
    signature: str  # Ed25519, base64url


class SigningKey(Value):
    """The public half of a key that signs heads: 32 bytes, base64url."""

    key_id: str
    public_key: str


class ProofAnswer(Value):
    """A tenant's chain: its end, its newest signed head, earlier ones newest first, and the keys that signed them."""

    tenant_id: UUID
    last_seq: int
    last_hash: str
    head: SignedHeadView | None = None
    heads: tuple[SignedHeadView, ...] = ()
    keys: tuple[SigningKey, ...] = ()


class EntriesAnswer(Value):
    """A page of the audit log."""

    entries: tuple[Entry, ...]
    has_more: bool
