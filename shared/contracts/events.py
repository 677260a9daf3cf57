"""Every fact. Past tense, for anyone; each is in the audit log and in the tenant's feed.

The envelope says whose, who, when and why; here is what. No code, no seed, no full destination: a test looks.
"""

import datetime as dt
from uuid import UUID

from shared.contracts.envelope import Event
from shared.contracts.policy import WholePolicy
from shared.contracts.types import (
    AccountId,
    ChallengeId,
    Channel,
    Decision,
    DeliveryId,
    DeviceId,
    EndpointId,
    EnforcementState,
    FactorId,
    FactorType,
    Method,
    PermitId,
    Purpose,
    RecoveryId,
    ReportId,
    Role,
)


class LoginDecided(Event):
    type = "login.decided"

    purpose: Purpose
    decision: Decision
    reason: str
    challenge_id: ChallengeId | None = None
    expires_at: dt.datetime | None = None
    deadline: dt.datetime | None = None
    ip: str | None = None


class ChallengeEvent(Event):
    """What all events of a challenge say."""

    challenge_id: ChallengeId
    purpose: Purpose


class ChallengeIssued(ChallengeEvent):
    type = "challenge.issued"

    expires_at: dt.datetime


class ChallengeVerified(ChallengeEvent):
    type = "challenge.verified"

    method: Method
    factor_id: FactorId | None = None
    recovery_id: RecoveryId | None = None


class ChallengeRejected(ChallengeEvent):
    """A code was judged wrong, or was not judged because of a throttle."""

    type = "challenge.rejected"

    reason: str
    factor_id: FactorId | None = None
    attempts_left: int


class ChallengeExhausted(ChallengeEvent):
    type = "challenge.exhausted"


class ChallengeExpired(ChallengeEvent):
    type = "challenge.expired"


class ChallengeCancelled(ChallengeEvent):
    type = "challenge.cancelled"

    reason: str


class ChallengeRedeemed(ChallengeEvent):
    type = "challenge.redeemed"


class CodeEvent(Event):
    """What all events of a code's delivery say; `destination` is masked."""

    delivery_id: DeliveryId
    channel: Channel
    destination: str
    challenge_id: ChallengeId | None = None
    factor_id: FactorId | None = None


class CodeSent(CodeEvent):
    type = "code.sent"


class CodeDelivered(CodeEvent):
    type = "code.delivered"


class CodeUndeliverable(CodeEvent):
    type = "code.undeliverable"

    reason: str


class CodeExpired(CodeEvent):
    """The code's time was over before a provider took it: it was never sent."""

    type = "code.expired"


class NotificationEvent(Event):
    """What all events of another notification's delivery say; `destination` is masked."""

    delivery_id: DeliveryId
    notification: str
    channel: Channel
    destination: str
    recovery_id: RecoveryId | None = None


class NotificationSent(NotificationEvent):
    type = "notification.sent"


class NotificationDelivered(NotificationEvent):
    type = "notification.delivered"


class NotificationUndeliverable(NotificationEvent):
    type = "notification.undeliverable"

    reason: str


class NotificationExpired(NotificationEvent):
    type = "notification.expired"


class NoticeDisputed(Event):
    """The person said of what a notice told "this was not me"; `is_repeated`: not for the first time within an hour."""

    type = "notice.disputed"

    delivery_id: DeliveryId
    notification: str
    channel: Channel
    happened_at: dt.datetime | None = None
    recovery_id: RecoveryId | None = None
    is_repeated: bool = False


class FactorEvent(Event):
    """What all events of a factor say."""

    factor_id: FactorId
    factor_type: FactorType


class FactorEnrolled(FactorEvent):
    """A pending factor was made."""

    type = "factor.enrolled"

    reason: str | None = None  # of the admin who set it up
    approver: AccountId | None = None


class FactorConfirmed(FactorEvent):
    type = "factor.confirmed"

    is_first: bool
    is_imported: bool = False  # taken over from another system, where it was proved


class FactorExpired(FactorEvent):
    type = "factor.expired"


class FactorRevoked(FactorEvent):
    type = "factor.revoked"

    reason: str
    is_last: bool


class FactorSuspended(FactorEvent):
    type = "factor.suspended"

    reason: str


class BackupCodesGenerated(Event):
    """New ones are good from now on: ten backup codes, or one recovery key; `kind` says which."""

    type = "backup_codes.generated"

    count: int
    kind: Method = Method.BACKUP_CODE


class BackupCodesImported(Event):
    """The codes that the person has from another system are good here, once each."""

    type = "backup_codes.imported"

    count: int


class BackupCodesUsed(Event):
    """`codes_left` of that kind; a recovery key that was used has a new one in its place."""

    type = "backup_codes.used"

    codes_left: int
    kind: Method = Method.BACKUP_CODE


class BackupCodesLow(Event):
    type = "backup_codes.low"

    codes_left: int


class RecoveryCodeIssued(Event):
    """An admin made a code for somebody who has nothing else."""

    type = "recovery_code.issued"

    reason: str
    expires_at: dt.datetime
    approver: AccountId | None = None


class RecoveryCodeUsed(Event):
    type = "recovery_code.used"


class TrustedDeviceAdded(Event):
    type = "trusted_device.added"

    device_id: DeviceId
    expires_at: dt.datetime


class TrustedDeviceRevoked(Event):
    type = "trusted_device.revoked"

    device_id: DeviceId
    reason: str


class RecoveryEvent(Event):
    """What all events of a recovery request say."""

    recovery_id: RecoveryId


class RecoveryRequested(RecoveryEvent):
    type = "recovery.requested"


class RecoveryWaiting(RecoveryEvent):
    type = "recovery.waiting"

    ready_at: dt.datetime


class RecoveryCancelled(RecoveryEvent):
    type = "recovery.cancelled"

    reason: str


class RecoveryExecuted(RecoveryEvent):
    type = "recovery.executed"

    revoked_factors: int


class RecoveryDenied(RecoveryEvent):
    type = "recovery.denied"

    reason: str


class RecoveryExpired(RecoveryEvent):
    type = "recovery.expired"


class RecoverySuperseded(RecoveryEvent):
    type = "recovery.superseded"


class RecoveryAttack(RecoveryEvent):
    """Somebody who is not the owner asked for it: the owner said "this was not me"."""

    type = "recovery.attack"


class EnforcementStarted(Event):
    type = "enforcement.started"

    deadline: dt.datetime | None = None


class EnforcementReminded(Event):
    type = "enforcement.reminded"

    stage: str
    deadline: dt.datetime


class EnforcementSatisfied(Event):
    type = "enforcement.satisfied"


class EnforcementLockedOut(Event):
    type = "enforcement.locked_out"

    deadline: dt.datetime


class EnforcementUnlocked(Event):
    type = "enforcement.unlocked"

    until: dt.datetime | None = None
    reason: str


class EnforcementChanged(Event):
    """What is asked of one account is different now: an admin's word, or the end of a requirement."""

    type = "enforcement.changed"

    state: EnforcementState
    deadline: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    reason: str


class SessionsShouldEnd(Event):
    type = "sessions.should_end"

    reason: str


class AccountReset(Event):
    """An admin took the second factors off; 0: there were none, and the account stays what it was."""

    type = "account.reset"

    reason: str
    revoked_factors: int = 0
    approver: AccountId | None = None


class AccountUpserted(Event):
    """An account as it is now, without its contacts."""

    type = "account.upserted"

    role: Role
    is_active: bool
    is_sso: bool
    is_new: bool = False
    changed: tuple[str, ...] = ()
    state: EnforcementState | None = None


class AccountErased(Event):
    """The helpdesk deleted the account. Whoever holds something of it forgets it."""

    type = "account.erased"

    erasure_id: UUID
    version: int | None = None


class AccountPasswordChanged(Event):
    type = "account.password_changed"

    changed_at: dt.datetime


class PolicyChanged(Event):
    type = "policy.changed"

    version: int
    policy: WholePolicy


class ReportEvent(Event):
    """What all events of a report say."""

    report_id: ReportId


class ReportRequested(ReportEvent):
    type = "report.requested"

    role: Role | None = None
    state: EnforcementState | None = None
    mail_to: AccountId | None = None


class ReportReady(ReportEvent):
    type = "report.ready"

    accounts: int
    expires_at: dt.datetime


class ReportDownloaded(ReportEvent):
    """A download began; `is_by_link`: with the mailed link, not with an API key."""

    type = "report.downloaded"

    is_by_link: bool


class ReportExpired(ReportEvent):
    """Its content is gone."""

    type = "report.expired"


class ClockMoved(Event):
    """A sandbox tenant's clock went forward."""

    type = "sandbox.clock_moved"

    advance_seconds: int


class TenantCreated(Event):
    type = "tenant.created"

    name: str
    is_sandbox: bool


class TenantChanged(Event):
    type = "tenant.changed"

    changed: tuple[str, ...]


class TenantSuspended(Event):
    type = "tenant.suspended"


class TenantImportStarted(Event):
    """The operator takes accounts over from another system. What follows from it has its id as correlation id."""

    type = "tenant.import_started"

    import_id: PermitId


class TenantImported(Event):
    """An import came to its end; `refused` are lines of which something was not taken over."""

    type = "tenant.imported"

    import_id: PermitId
    accounts: int
    refused: int
    factors: int
    backup_codes: int


class TenantExported(Event):
    """The operator takes a copy of everything that moves, sealed to the public key `recipient`."""

    type = "tenant.exported"

    export_id: PermitId
    recipient: str
    reason: str


class ApiKeyCreated(Event):
    type = "api_key.created"

    key_id: str
    scopes: tuple[str, ...]


class ApiKeyRevoked(Event):
    type = "api_key.revoked"

    key_id: str


class WebhookEndpointEvent(Event):
    """What all events of a webhook endpoint say. What became of a single delivery is none: it would set off others."""

    endpoint_id: EndpointId


class WebhookEndpointCreated(WebhookEndpointEvent):
    type = "webhook_endpoint.created"


class WebhookEndpointChanged(WebhookEndpointEvent):
    type = "webhook_endpoint.changed"

    changed: tuple[str, ...]


class WebhookEndpointDisabled(WebhookEndpointEvent):
    """It said that it is gone, or failed for 24 hours: nothing is sent to it until it is enabled again."""

    type = "webhook_endpoint.disabled"

    reason: str


class WebhookEndpointDeleted(WebhookEndpointEvent):
    type = "webhook_endpoint.deleted"


class WebhookEndpointTested(WebhookEndpointEvent):
    """Somebody asked for a trial; this is what the endpoint gets."""

    type = "webhook_endpoint.tested"


class WebhookSecretRotated(WebhookEndpointEvent):
    type = "webhook_endpoint.secret_rotated"

    previous_until: dt.datetime


class BrokerAccessGranted(Event):
    """The tenant may publish on the broker and read its events there, or has a new password for it."""

    type = "broker_access.granted"

    username: str
    is_rotated: bool = False


class BrokerAccessRevoked(Event):
    type = "broker_access.revoked"

    username: str


class AuditHead(Event):
    """A signed head of a tenant's chain: whoever keeps it can prove that nothing before it was cut off."""

    type = "audit.head"

    seq: int
    hash: str
    signed_at: dt.datetime
    key_id: str
    signature: str
