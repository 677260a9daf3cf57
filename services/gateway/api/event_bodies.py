"""The events that a helpdesk may hand in, as CloudEvents (1.0.2, JSON)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from services.gateway.api.bodies import AccountBody
from services.gateway.api.fields import Address, Body, Instant, Login
from shared.contracts.types import AccountId

MOST_EVENTS = 100
CONTENT_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")

EVENT_ID = re.compile(r"[\x21-\x7e]{1,255}")

_Id = Annotated[str, StringConstraints(pattern=f"^{EVENT_ID.pattern}$")]


class HelpdeskEvent(BaseModel):
    """What all events have (CloudEvents 1.0.2, 2.1). Extension attributes are allowed and ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: _Id
    source: _Id
    subject: AccountId
    time: Instant | None = None
    datacontenttype: Literal["application/json"] = "application/json"


_Version = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Of the account: counts up with everything that happens to it. What is older than known is ignored."""


class Versioned(Body):
    """News of one fact: older ones than are known of that fact are ignored, in whatever order they arrive."""

    version: _Version | None = None


class PasswordChange(Versioned):
    """When; the event's time by default, and without one now."""

    changed_at: Instant | None = None


class EmailChange(Versioned):
    """The new address, or `null`."""

    email: Address | None
    email_verified: bool = False


class SsoChange(Versioned):
    """Whether the account signs in by SSO now."""

    sso: bool


class AccountUpserted(HelpdeskEvent):
    """As `PUT /v1/accounts/{account_id}`."""

    type: Literal["account.upserted"]
    data: AccountBody


class AccountDeleted(HelpdeskEvent):
    """As `DELETE /v1/accounts/{account_id}`."""

    type: Literal["account.deleted"]
    data: Versioned = Versioned()


class PasswordChanged(HelpdeskEvent):
    """Trusted devices end, and a waiting recovery waits longer."""

    type: Literal["account.password_changed"]
    data: PasswordChange = PasswordChange()


class EmailChanged(HelpdeskEvent):
    """Old and new address are told."""

    type: Literal["account.email_changed"]
    data: EmailChange


class SsoChanged(HelpdeskEvent):
    """The account came under SSO or left it."""

    type: Literal["account.sso_changed"]
    data: SsoChange


class LoginStarted(HelpdeskEvent):
    """Answered by the event `login.decided`."""

    type: Literal["login.started"]
    data: Login


class EventsBody(RootModel[Any]):
    """One event or an array. Each is judged by itself, so that one that is wrong does not hold up the others."""


class DocumentedEvents(
    RootModel[
        Annotated[
            AccountUpserted | AccountDeleted | PasswordChanged | EmailChanged | SsoChanged | LoginStarted,
            Field(discriminator="type"),
        ]
        | Annotated[
            tuple[
                Annotated[
                    AccountUpserted | AccountDeleted | PasswordChanged | EmailChanged | SsoChanged | LoginStarted,
                    Field(discriminator="type"),
                ],
                ...,
            ],
            Field(max_length=MOST_EVENTS, min_length=1),
        ]
    ]
):
    """One CloudEvent, or an array of at most a hundred."""


KINDS: Mapping[str, type[HelpdeskEvent]] = MappingProxyType(
    {
        "account.upserted": AccountUpserted,
        "account.deleted": AccountDeleted,
        "account.password_changed": PasswordChanged,
        "account.email_changed": EmailChanged,
        "account.sso_changed": SsoChanged,
        "login.started": LoginStarted,
    }
)
