"""What is around every message: a CloudEvents 1.0 envelope, structured mode, JSON (CloudEvents spec 1.0.2, 3.1)."""

import dataclasses
import datetime as dt
from typing import Annotated, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.types import AccountId
from shared.ids import new_id


class Message(BaseModel):
    """A command or an event; its payload, without what the envelope says already."""

    # A service speaks a tenth of the messages: the schema of one is built at its first use, which saves 2 to 4 MiB.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    type: ClassVar[str]


class Command(Message):
    """Imperative; one handling service, reached on its lane; may be refused."""

    lane: ClassVar[str]


class Event(Message):
    """Past tense; a fact, for anyone. Holds no code, no seed and no full destination."""


M = TypeVar("M", bound=Message, covariant=True)  # noqa: PLC0105 - one letter, as in every signature that uses it
N = TypeVar("N", bound=Message)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Generic[M]):
    """One message and where it stands: whose it is, who caused it, what it follows from.

    `time` is tenant time for what a tenant sees; `correlation_id` is shared by all that one request set off,
    `causation_id` is the message that this one follows from. `came_as` is the text it was read from; an envelope made
    here, also one that replaces another (`dataclasses.replace`), has none. An alias is what CloudEvents calls it: JSON
    is read straight into one of these.
    """

    id: UUID
    data: M
    tenant_id: Annotated[UUID, Field(alias="tenantid")]
    account_id: Annotated[AccountId | None, Field(alias="subject", default=None)]
    actor: str
    source: str
    time: dt.datetime
    correlation_id: Annotated[UUID, Field(alias="correlationid")]
    causation_id: Annotated[UUID | None, Field(alias="causationid")] = None
    came_as: bytes | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    def follow(self, data: N, *, source: str, at: dt.datetime, account_id: str | None = None) -> "Envelope[N]":
        """A message that this one caused: by the same actor, about the same account unless another is said."""
        return Envelope(
            id=new_id(),
            data=data,
            tenant_id=self.tenant_id,
            account_id=account_id if account_id is not None else self.account_id,
            actor=self.actor,
            source=source,
            time=at,
            correlation_id=self.correlation_id,
            causation_id=self.id,
        )


def begin(
    data: N,
    *,
    tenant_id: UUID,
    account_id: str | None,
    actor: str,
    source: str,
    at: dt.datetime,
    correlation_id: UUID | None = None,
    message_id: UUID | None = None,
) -> Envelope[N]:
    """The first message of a chain."""
    own = message_id or new_id()
    return Envelope(
        id=own,
        data=data,
        tenant_id=tenant_id,
        account_id=account_id,
        actor=actor,
        source=source,
        time=at,
        correlation_id=correlation_id or own,
    )
