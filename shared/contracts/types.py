"""The vocabulary: enumerations, ids and small values that contracts, rules and bodies share."""

import datetime as dt
import enum
from typing import Annotated, NewType
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

ChallengeId = NewType("ChallengeId", UUID)
FactorId = NewType("FactorId", UUID)
DeviceId = NewType("DeviceId", UUID)
RecoveryId = NewType("RecoveryId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
EndpointId = NewType("EndpointId", UUID)
PermitId = NewType("PermitId", UUID)
WebhookDeliveryId = NewType("WebhookDeliveryId", UUID)
ReportId = NewType("ReportId", UUID)

ACCOUNT_ID_PATTERN = r"^[A-Za-z0-9._~-]{1,128}$"
AccountId = Annotated[str, StringConstraints(pattern=ACCOUNT_ID_PATTERN)]
"""The helpdesk's own, opaque id of one protected login."""

Sealed = Annotated[str, StringConstraints(pattern=r"^v1\.[A-Za-z0-9_.=-]+$", max_length=16_384)]
"""A value that only the service it is sealed to can open (`shared.crypto.sealing`)."""

RedeemDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of the 256-bit code by which a helpdesk redeems a challenge."""


class Value(BaseModel):
    """A frozen value whose faults never show the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class Role(enum.StrEnum):
    """What an account is at the helpdesk."""

    CUSTOMER = "customer"
    COLLABORATOR = "collaborator"
    AGENT = "agent"
    ADMIN = "admin"


class FactorType(enum.StrEnum):
    """What was enrolled."""

    TOTP = "totp"
    SMS = "sms"
    EMAIL = "email"
    WEBAUTHN = "webauthn"


class Strength(enum.StrEnum):
    """How well a factor type withstands who has the password."""

    PHISHING_RESISTANT = "phishing_resistant"
    STRONG = "strong"
    LESS_SECURE = "less_secure"


class FactorState(enum.StrEnum):
    """``pending → active ⇄ suspended → revoked``, ``pending → expired``."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Method(enum.StrEnum):
    """How a challenge was answered; the assertion's ``amr`` (RFC 8176 names where there is one)."""

    TOTP = "totp"
    SMS = "sms"
    EMAIL = "email"
    WEBAUTHN = "webauthn"
    BACKUP_CODE = "backup_code"
    RECOVERY_KEY = "recovery_key"
    RECOVERY_CODE = "recovery_code"
    TRUSTED_DEVICE = "trusted_device"


class Purpose(enum.StrEnum):
    """What a challenge is for; a code is good for its challenge's purpose only."""

    SIGN_IN = "sign_in"
    STEP_UP = "step_up"
    ENROLMENT = "enrolment"
    RECOVERY = "recovery"
    API_PASSWORD = "api_password"  # noqa: S105 - a purpose


class ChallengeState(enum.StrEnum):
    """``open → verified → redeemed``, ``open → exhausted | expired | cancelled``."""

    OPEN = "open"
    VERIFIED = "verified"
    REDEEMED = "redeemed"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Decision(enum.StrEnum):
    """What the helpdesk does with a login."""

    ALLOW = "allow"
    CHALLENGE = "challenge"
    ENROL = "enrol"
    ENROL_OPTIONAL = "enrol_optional"
    LOCKED_OUT = "locked_out"
    DENY = "deny"


class EnforcementState(enum.StrEnum):
    """Where an account stands with its tenant's policy; computed, never stored."""

    NOT_REQUIRED = "not_required"
    EXEMPT = "exempt"
    SATISFIED = "satisfied"
    GRACE = "grace"
    MUST_ENROL = "must_enrol"
    LOCKED_OUT = "locked_out"


class RequirementKind(enum.StrEnum):
    """Why an account is asked for a second factor: everybody is, its role is, it alone is."""

    ALL = "all"
    ROLE = "role"
    INDIVIDUAL = "individual"


class RecoveryState(enum.StrEnum):
    """``draft → waiting → executed``, or ``cancelled | denied | expired | superseded``."""

    DRAFT = "draft"
    WAITING = "waiting"
    EXECUTED = "executed"
    CANCELLED = "cancelled"
    DENIED = "denied"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class ReportState(enum.StrEnum):
    """``running → ready → expired``, ``running → expired``."""

    RUNNING = "running"
    READY = "ready"
    EXPIRED = "expired"


class DeliveryState(enum.StrEnum):
    """``queued → sending → accepted → delivered | undeliverable``; ``refused | unknown | expired``."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


class WebhookState(enum.StrEnum):
    """How a delivery to a webhook endpoint stands: ``queued → sending → delivered | failed``."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Channel(enum.StrEnum):
    """How a notification travels."""

    EMAIL = "email"
    SMS = "sms"


class FirstFactorMethod(enum.StrEnum):
    """How the person proved the first factor at the helpdesk."""

    PASSWORD = "password"  # noqa: S105 - a method
    SSO = "sso"
    LINK = "link"


class Contact(Value):
    """One address or phone number: sealed to the notifier, masked for people, digested for comparing.

    Only the gateway, where it comes in, and the notifier, where it goes out, ever see it in clear.
    """

    sealed: Sealed
    masked: str
    digest: str


class Keeper(enum.StrEnum):
    """A service that has something of an account beside policy, and says when it has forgotten it."""

    OTP_WORKER = "otp_worker"
    NOTIFIER = "notifier"
    AUDIT = "audit"


class MovedDestination(Value):
    """Where codes went in another system: a factor of type sms or email."""

    type: FactorType
    contact: Contact
    name: str | None = None


class FirstFactor(Value):
    """What the helpdesk checked before it asked us."""

    method: FirstFactorMethod
    idp: str | None = None
    amr: tuple[str, ...] = ()
    at: dt.datetime | None = None


class Context(Value):
    """Where a request came from, as the helpdesk saw it."""

    ip: str | None = None
    user_agent: str | None = None


class Acting(Value):
    """The admin who acts, and the one who approves it, each with a challenge of their own (`rules.admin_action`)."""

    actor: AccountId
    proof: ChallengeId | None = None
    approver: AccountId | None = None
    approver_proof: ChallengeId | None = None


class RequestKey(Value):
    """The Idempotency-Key of a request, and what it asked for.

    `scope` is method and path; `fingerprint` a keyed HMAC of the body (base64url), so that the same key with another
    body is told apart without keeping the body.
    """

    scope: str
    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    fingerprint: str


SYSTEM = "system"
"""The actor of what happens by itself.

Others: ``account:<id>``, ``admin:<account id>``, ``api_key:<id>``, ``operator:<name>``.
"""
