"""Envelope to bytes and back. The one place that knows the JSON; decoding gives a message or says why not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from shared.contracts import commands, events
from shared.contracts.envelope import Command, Envelope, Event, Message
from shared.contracts.types import ACCOUNT_ID_PATTERN

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
MAX_BYTES = 256 * 1024


class UndecodableMessage(Exception):
    """Not a message of ours; `reason` is a machine word without a person's data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CloudEvent(BaseModel):
    """The envelope as JSON (CloudEvents 1.0.2, 2.1), with extension attributes of ours; `data` is the message."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    specversion: Annotated[str, Field(pattern=r"^1\.0$")]
    id: UUID
    source: str
    type: str
    time: datetime
    subject: Annotated[str, Field(pattern=ACCOUNT_ID_PATTERN)] | None = None
    datacontenttype: str = "application/json"
    tenantid: UUID
    actor: str
    correlationid: UUID
    causationid: UUID | None = None
    data: dict[str, object]


def _by_type(module: object, kind: type[Message]) -> dict[str, type[Message]]:
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, kind)]
    return {each.type: each for each in found if "type" in vars(each)}


COMMANDS: Mapping[str, type[Message]] = _by_type(commands, Command)
EVENTS: Mapping[str, type[Message]] = _by_type(events, Event)
MESSAGES: Mapping[str, type[Message]] = {**COMMANDS, **EVENTS}


def encode(envelope: Envelope[Message]) -> bytes:
    """A CloudEvent in structured JSON, UTF-8."""
    document: dict[str, object] = {
        "specversion": SPEC_VERSION,
        "id": str(envelope.id),
        "source": envelope.source,
        "type": envelope.data.type,
        "time": envelope.time.isoformat(),
        "datacontenttype": "application/json",
        "tenantid": str(envelope.tenant_id),
        "actor": envelope.actor,
        "correlationid": str(envelope.correlation_id),
        "data": envelope.data.model_dump(mode="json", exclude_none=True),
    }
    if envelope.account_id is not None:
        document["subject"] = envelope.account_id
    if envelope.causation_id is not None:
        document["causationid"] = str(envelope.causation_id)
    return to_json(document)


def decode(body: bytes) -> Envelope[Message]:
    """The envelope in ``body``. Raises `UndecodableMessage`: such bytes will never become a message."""
    if len(body) > MAX_BYTES:
        raise UndecodableMessage("too_large")
    try:
        event = CloudEvent.model_validate_json(body)
    except ValidationError:
        raise UndecodableMessage("not_a_cloudevent") from None
    model = MESSAGES.get(event.type)
    if model is None:
        raise UndecodableMessage("unknown_type")
    try:
        data = model.model_validate_json(to_json(event.data))
    except ValidationError:
        raise UndecodableMessage("wrong_data") from None
    return Envelope(
        id=event.id,
        data=data,
        tenant_id=event.tenantid,
        account_id=event.subject,
        actor=event.actor,
        source=event.source,
        time=event.time,
        correlation_id=event.correlationid,
        causation_id=event.causationid,
    )
