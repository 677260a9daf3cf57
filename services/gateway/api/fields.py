"""The kinds of fields that bodies and queries are made of. All are bounded; no text holds a control character, which
neither a log, nor a mail's subject, nor PostgreSQL could take.
"""

import datetime as dt
import ipaddress
import re
import zoneinfo
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.contracts import types
from shared.contracts.types import FirstFactorMethod, Purpose

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_LONGEST_USER_AGENT = 300


class Body(BaseModel):
    """Unknown members are faults: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    def __repr_args__(self) -> tuple[()]:
        """A body may hold a code or an address: it does not print itself."""
        return ()


def _known_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA database") from None
    return name


def _address(text: str) -> str:
    """In its one form. A zone (RFC 4007) means something on one machine only, and may be any text: it falls away."""
    try:
        return str(ipaddress.ip_address(text)).partition("%")[0]
    except ValueError:
        raise ValueError("not an IPv4 or IPv6 address") from None


def _tame(user_agent: str) -> str:
    """A browser says what it likes; no login fails for it."""
    return _CONTROL.sub(" ", user_agent)[:_LONGEST_USER_AGENT]


Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$", max_length=80)]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$", max_length=500)]
Word = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Typed = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,512}$")]
Address = Annotated[str, StringConstraints(min_length=1, max_length=320)]
Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
TimeZone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$"), AfterValidator(_known_zone)]
IpAddress = Annotated[str, StringConstraints(max_length=100), AfterValidator(_address)]
UserAgent = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_tame)]
Instant = Annotated[
    AwareDatetime, Field(ge=dt.datetime(2000, 1, 1, tzinfo=dt.UTC), le=dt.datetime(2200, 1, 1, tzinfo=dt.UTC))
]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,1990}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,300}$")]
Limit = Annotated[int, Field(ge=1, le=100)]


class ContextBody(Body):
    """Where the person's request came from, as the helpdesk saw it."""

    ip: IpAddress | None = None
    user_agent: UserAgent | None = None

    def value(self) -> types.Context:
        """As commands carry it."""
        return types.Context(ip=self.ip, user_agent=self.user_agent)


class FirstFactorBody(Body):
    """What the helpdesk checked before it asked us; `amr` as the identity provider said it (RFC 8176)."""

    method: FirstFactorMethod
    idp: Word | None = None
    amr: Annotated[tuple[Word, ...], Field(max_length=16)] = ()
    at: Instant | None = None

    def value(self) -> types.FirstFactor:
        """As commands carry it."""
        return types.FirstFactor(method=self.method, idp=self.idp, amr=self.amr, at=self.at)


class Login(Body):
    """What makes a login, without whose it is."""

    purpose: Literal[Purpose.SIGN_IN, Purpose.STEP_UP, Purpose.API_PASSWORD] = Purpose.SIGN_IN
    first_factor: FirstFactorBody
    password_changed_at: Instant | None = None
    context: ContextBody = ContextBody()


class Page(Body):
    """A page of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


def _after_its_person(proof: UUID | None, info: ValidationInfo) -> UUID | None:
    """A proof of nobody would be dropped in silence, and look as if it had counted."""
    person = (info.field_name or "").removesuffix("_proof")
    if proof is not None and person in info.data and info.data[person] is None:
        raise PydanticCustomError("proof_of_nobody", "A proof goes with whose it is")
    return proof


Proof = Annotated[UUID | None, AfterValidator(_after_its_person)]
"""A challenge of the person whose field stands before it, without ``_proof``: purpose `step_up`, verified within ten
minutes.
"""


class ByProvenAdmin(Body):
    """`actor` is the account id of the admin who acts; the audit log names it. `actor_proof`: a challenge of the actor,
    purpose `step_up`, verified within ten minutes.
    """

    actor: types.AccountId | None = None
    actor_proof: Proof = None

    def acting(self) -> types.Acting | None:
        """As commands carry it."""
        if self.actor is None:
            return None
        return types.Acting(actor=self.actor, proof=types.ChallengeId(self.actor_proof) if self.actor_proof else None)


class ByProvenAdminAlone(ByProvenAdmin):
    """Nothing but who acts; it may be left out."""


class ByProvenAdmins(ByProvenAdmin):
    """An `actor`, and an `approver` where the action opens an admin's account: a second admin, proven likewise."""

    approver: types.AccountId | None = None
    approver_proof: Proof = None

    @field_validator("approver")
    @classmethod
    def _of_somebodys_action(cls, approver: types.AccountId | None, info: ValidationInfo) -> types.AccountId | None:
        if approver is not None and "actor" in info.data and info.data["actor"] is None:
            raise PydanticCustomError("approver_of_nobody", "An approver goes with an `actor`")
        return approver

    def acting(self) -> types.Acting | None:
        """As commands carry it."""
        acting = super().acting()
        if acting is None:
            return None
        proof = types.ChallengeId(self.approver_proof) if self.approver_proof else None
        return acting.model_copy(update={"approver": self.approver, "approver_proof": proof})


class Attempt(Body):
    """What a person typed: exactly one of the four."""

    code: Typed | None = None
    backup_code: Typed | None = None
    recovery_key: Typed | None = None
    recovery_code: Typed | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for _, value in self.typed()) != 1:
            raise ValueError("give exactly one of `code`, `backup_code`, `recovery_key` and `recovery_code`")
        return self

    def typed(self) -> tuple[tuple[str, str | None], ...]:
        """Name and value of all four."""
        return (
            ("code", self.code),
            ("backup_code", self.backup_code),
            ("recovery_key", self.recovery_key),
            ("recovery_code", self.recovery_code),
        )
