"""What the API takes. Every model is a schema of the OpenAPI document; the examples are sent by a test."""

import datetime as dt
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.gateway.api.auth import KeyScope
from services.gateway.api.fields import (
    Address,
    Attempt,
    Body,
    ByProvenAdmin,
    ByProvenAdmins,
    ContextBody,
    Instant,
    Line,
    Locale,
    Login,
    Page,
    Reason,
    TimeZone,
    Token,
    Typed,
)
from services.gateway.api.prompt_bodies import EchoedState, ReturnAddress
from shared.contracts.codec import EVENTS
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import AccountId, EnforcementState, FactorType, Role

_LATEST = 2**63 - 1
_LONGEST_STEP = int(dt.timedelta(days=400).total_seconds())


def _known_types(types: str) -> str:
    """A misspelt one would find nothing, and look as if nothing had happened."""
    if not EVENTS.keys() >= set(types.split(",")):
        raise PydanticCustomError("type_unknown", "No event is called so; /asyncapi.json lists them")
    return types


class Empty(Body):
    """Nothing; the body may be left out."""


class TenantBody(TenantSettings, ByProvenAdmin):
    """The whole of a tenant's settings, in place of those before: what is left out has its default again. Where admins
    prove themselves, a change of more than `name`, `logo_url`, `colour` and `languages` takes the proof of an `actor`.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Acme Helpdesk", "colour": "#1f4e79", "languages": ["en", "de"]}]}
    )

    name: Line


class AccountBody(Body):
    """An account as the helpdesk knows it. An omitted member stays as it is, `null` clears."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"role": "agent", "email": "ada@acme.example", "email_verified": True, "locale": "en"}]
        }
    )

    role: Role = Role.CUSTOMER
    email: Address | None = None
    email_verified: bool = False
    phone: Address | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    sso: bool = False
    active: bool = True
    version: Annotated[int, Field(ge=0, le=_LATEST)] | None = None  # an older one than ours is accepted and ignored

    def given(self) -> tuple[str, ...]:
        """The members that the body held."""
        return tuple(name for name in type(self).model_fields if name in self.model_fields_set and name != "version")


class ErasureQuery(Body):
    """`version`: the account's last one; if a newer one is known here, it stays."""

    version: Annotated[int, Field(ge=0, le=_LATEST)] | None = None


class AccountsQuery(Page):
    """Which accounts."""

    role: Role | None = None
    state: EnforcementState | None = None


class LoginBody(Login):
    """The first factor was right; the question is whether this account may in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account_id": "ada",
                    "purpose": "sign_in",
                    "first_factor": {"method": "password"},
                    "context": {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0"},
                }
            ]
        }
    )

    account_id: AccountId
    trusted_device_token: Token | None = None
    return_url: ReturnAddress | None = None  # asks for a `prompt_url`, where the decision needs a page
    state: EchoedState | None = None


class SendBody(Body):
    """Which factor's code to send; without one, the mailbox that the challenge offers."""

    factor_id: UUID | None = None


class VerifyBody(Attempt):
    """A code that was typed, or one of the other three. A code is judged against one factor: `factor_id`, else the one
    whose code was sent last, else the first that the challenge offers.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "123456", "trust_device": False}]})

    factor_id: UUID | None = None
    trust_device: bool = False
    context: ContextBody = ContextBody()


class FactorBody(Body):
    """A factor to enrol. `destination`: an address or a number; without it, the account's own.

    `proof` of an account that has a factor: a challenge of it, verified within ten minutes. Of one that has none: the
    challenge of the login that decided `enrol` or `enrol_optional`, open as it came; the confirmation completes that
    login then, and answers with its assertion. Where the challenge offers the mailbox (after a reset, a recovery or a
    lockout), it is sent a code and verified before.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "totp", "name": "Phone"}]})

    type: Literal[FactorType.TOTP, FactorType.SMS, FactorType.EMAIL]
    name: Line | None = None
    destination: Address | None = None
    proof: UUID | None = None
    replaces: UUID | None = None

    @model_validator(mode="after")
    def _destination_where_one_is(self) -> Self:
        if self.type is FactorType.TOTP and self.destination is not None:
            raise ValueError("an authenticator has no `destination`")
        return self


class ConfirmBody(Body):
    """The code that proves a pending factor."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "123456"}]})

    code: Typed


class RenameBody(Body):
    """A factor's new name."""

    name: Line


class ProofQuery(Body):
    """A challenge of the account, verified within ten minutes."""

    proof: UUID | None = None


class ProofBody(Body):
    """A challenge of the account, verified within ten minutes."""

    proof: UUID | None = None


class RecoveryBody(Body):
    """Where the person asks from."""

    context: ContextBody = ContextBody()


class CancelRecoveryBody(ByProvenAdmin):
    """`is_attack`: the owner says that it was somebody else who asked."""

    is_attack: bool = False


class DenyRecoveryBody(ByProvenAdmin):
    """Why an admin refuses."""

    reason: Reason


class UnlockBody(ByProvenAdmins):
    """For how long, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hours": 24, "reason": "On the phone, new device"}]})

    hours: Annotated[int, Field(ge=1, le=24 * 30)]
    reason: Reason


class ReportBody(ByProvenAdmin):
    """Which accounts, and the admin's account that is mailed a link to the file."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"format": "csv", "role": "agent", "mail_to_account": "root"}]}
    )

    format: Literal["csv"] = "csv"
    role: Role | None = None
    state: EnforcementState | None = None
    mail_to_account: AccountId | None = None


class TimelineQuery(Page):
    """A page, newest first."""


class AuditQuery(Page):
    """Newest first. `types`: event types, separated by commas."""

    account_id: AccountId | None = None
    types: (
        Annotated[str, Field(pattern=r"^[a-z_.]{1,60}(,[a-z_.]{1,60}){0,19}$"), AfterValidator(_known_types)] | None
    ) = None


class AuditExportQuery(Body):
    """Oldest first, between two sequence numbers, both exclusive; without `before` up to the end as it is now."""

    format: Literal["csv", "jsonl"] = "jsonl"
    after: Annotated[int, Field(ge=0, le=_LATEST)] = 0
    before: Annotated[int, Field(ge=1, le=_LATEST)] | None = None


class FeedQuery(Body):
    """Oldest first, those after the sequence number."""

    after: Annotated[int, Field(ge=0, le=_LATEST)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class ClockBody(Body):
    """How far the sandbox's clock goes forward."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"advance_seconds": 3600}]})

    advance_seconds: Annotated[int, Field(ge=1, le=_LONGEST_STEP)]


class MessagesQuery(Page):
    """Oldest first."""

    account_id: AccountId | None = None


class ApiKeyBody(ByProvenAdmin):
    """A key to make; it gets no scope that the calling key lacks, and ends with it unless `actor_proof` is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Backend", "scopes": ["logins"]}]})

    name: Line
    scopes: Annotated[tuple[KeyScope, ...], Field(min_length=1, max_length=len(KeyScope))]
    expires_at: Instant | None = None
