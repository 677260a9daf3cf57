"""Envelope to bytes and back. The one place that knows the JSON; decoding gives a message or says why not."""

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from shared.contracts import commands, events
from shared.contracts.envelope import Command, Envelope, Event, Message
from shared.contracts.types import ACCOUNT_ID_PATTERN

CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"
MAX_BYTES = 256 * 1024
_BEGINNING = re.compile(rb'{"specversion":"1\.0","id":"[^"\\]+","source":"[^"\\]+","type":"([a-z_.]+)",')
"""Of a message as `encode` writes it."""


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
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.data.type,
        "time": envelope.time.isoformat(),
        "datacontenttype": "application/json",
        "tenantid": envelope.tenant_id,
        "actor": envelope.actor,
        "correlationid": envelope.correlation_id,
        "data": envelope.data,
    }
    if envelope.account_id is not None:
        document["subject"] = envelope.account_id
    if envelope.causation_id is not None:
        document["causationid"] = envelope.causation_id
    return to_json(document, exclude_none=True)


def text_of(envelope: Envelope[Message]) -> bytes:
    """A message as it came, byte by byte; encoded where it did not come. To be kept or passed on."""
    return envelope.came_as or encode(envelope)


def decode(body: bytes) -> Envelope[Message]:
    """The envelope in ``body``. Raises `UndecodableMessage`: such bytes will never become a message."""
    if len(body) > MAX_BYTES:
        raise UndecodableMessage("too_large")
    envelope = _read_known(body) or _read_any(body)
    object.__setattr__(envelope, "came_as", body)  # frozen for everybody else
    return envelope


def _read_known(body: bytes) -> Envelope[Message] | None:
    """Read in one go what begins as `encode` writes it; None: it does not, or is not right, and it is to be read from
    the beginning. Of an attribute that comes twice, which nobody of ours writes, the first type counts.
    """
    said = _BEGINNING.match(body)
    model = MESSAGES.get(said[1].decode()) if said is not None else None
    if model is None:
        return None
    try:
        return _with_data_of(model).validate_json(body)
    except ValidationError:
        return None


def _read_any(body: bytes) -> Envelope[Message]:
    """Read the envelope, then by its type the message: whatever is wrong is found out here. Raises
    `UndecodableMessage`.
    """
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


@functools.cache
def _with_data_of(model: type[Message]) -> TypeAdapter[Envelope[Message]]:
    """Made when the first of its type comes: 40 KiB each, and a process hears of few."""
    return TypeAdapter(Envelope[model])  # type: ignore[valid-type]
