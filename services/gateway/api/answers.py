"""What the API answers where it is more than a service's own answer."""

import datetime as dt
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ConfigDict

from services.gateway.prompt.kinds import PromptKind
from shared.contracts.replies import (
    AccountView,
    BackupCodesStatus,
    ChallengeView,
    DeliveryView,
    EnrolmentAnswer,
    FactorView,
    LoginAnswer,
    RecoveryView,
    TotpSetup,
    TrustedDeviceView,
)
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import Channel, Value

T = TypeVar("T")


class List(Value, Generic[T]):
    """A list; `next_cursor` goes into `cursor` of the next call."""

    data: tuple[T, ...]
    next_cursor: str | None = None
    has_more: bool = False


class Tenant(TenantSettings):
    """A tenant."""

    id: UUID
    name: str
    is_sandbox: bool
    created_at: dt.datetime


class AccountStatus(AccountView):
    """An account with all that it has enrolled and all that holds it back."""

    factors: tuple[FactorView, ...]
    backup_codes: BackupCodesStatus
    trusted_devices: tuple[TrustedDeviceView, ...]
    throttled_until: dt.datetime | None = None
    recovery: RecoveryView | None = None


class Challenge(ChallengeView):
    """A challenge; `deliveries` is null when the notifier did not answer in time."""

    deliveries: tuple[DeliveryView, ...] | None = None


class DecidedLogin(LoginAnswer):
    """May the account in; `prompt_url`, where `return_url` was given and a page is needed."""

    prompt_url: str | None = None


class PromptSession(Value):
    """Where to send the browser: good once, until `expires_at`."""

    id: UUID
    kind: PromptKind
    url: str
    expires_at: dt.datetime


class Totp(TotpSetup):
    """What an authenticator needs: to scan, or to type, in groups of four."""

    seed_grouped: str
    qr_svg: str


class Enrolment(EnrolmentAnswer):
    """A pending factor."""

    totp: Totp | None = None


class ToldNotice(Value):
    """A notice of a deadline, and what became of it; `destination` is masked."""

    at: dt.datetime
    notification: str
    channel: Channel
    destination: str
    state: str  # sent, delivered, undeliverable, expired


class TimelineEntry(Value):
    """Something that happened to an account, in words. `told`: before a lock, who was told of its deadline."""

    seq: int
    at: dt.datetime
    type: str
    summary: str
    actor: str | None = None
    data: dict[str, object] | None = None
    told: tuple[ToldNotice, ...] | None = None


class EventResult(Value):
    """What became of one event that was handed in."""

    id: str | None = None
    status: str  # accepted, duplicate, rejected
    message_id: UUID | None = None  # the `causation_id` of what follows from it
    code: str | None = None
    errors: tuple[dict[str, str], ...] = ()


class EventsAccepted(Value):
    """A result for each, in order."""

    results: tuple[EventResult, ...]


class Feed(Value):
    """CloudEvents as they happened; `next_after` goes into `after` of the next call."""

    data: tuple[dict[str, object], ...]
    next_after: int
    has_more: bool


class ApiKey(Value):
    """A key, without itself."""

    id: UUID
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None = None


class NewApiKey(ApiKey):
    """A new key; `key` is shown this once."""

    key: str


class RevokedKey(Value):
    """The key that is not good any more."""

    id: UUID


class Fault(Value):
    """One fault of a body."""

    pointer: str
    code: str
    detail: str


class ProblemDocument(Value):
    """RFC 9457. More members tell the figures of a refusal, as `attempts_left`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[Fault, ...] = ()
