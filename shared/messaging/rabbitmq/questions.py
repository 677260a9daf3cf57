"""Requests and their replies as AMQP carries them: one by one, and in frames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiormq import spec

from shared.clock import host_now
from shared.ids import new_id
from shared.messaging.bus import Exchange, Incoming, Outgoing
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import TRANSIENT, Parcel, outgoing_headers
from shared.messaging.rabbitmq.frames import CONTENT_TYPE, Framed, listing, pack, unpack_answers

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage


def request_parcel(lane: str, outgoing: Outgoing, *, left: float) -> Parcel:
    """A question that is worth ``left`` seconds, to be answered to this channel."""
    headers = outgoing_headers(outgoing)
    if outgoing.goes_alone:
        headers[names.ALONE] = 1
    return _question(lane, outgoing.message_id, outgoing.body, names.REPLY_QUEUE, headers, left=left)


def again_parcel(part: Incoming, reply_to: str, *, left: float) -> Parcel:
    """A question out of a frame, asked once more for whoever asked the frame; to be judged by itself."""
    headers: dict[str, Any] = {
        **part.headers,
        names.ALONE: 1,
        names.ATTEMPT: part.attempt + 1,
        names.FIRST_SEEN: part.first_seen_at.isoformat(),
    }
    if part.expires_at is not None:
        headers[names.EXPIRES_AT] = part.expires_at.isoformat()
    return _question(part.lane, part.message_id, part.body, reply_to, headers, left=left)


def frame_parcel(lane: str, members: Sequence[Outgoing], *, left: float) -> Parcel:
    """Questions that travel together; the last of them is worth ``left`` seconds."""
    listed = listing(Framed(each.message_id, each.body, each.expires_at) for each in members)
    properties = spec.Basic.Properties(
        message_id=str(new_id()),
        content_type=CONTENT_TYPE,
        reply_to=names.REPLY_QUEUE,
        expiration=_expiration(left),
        delivery_mode=TRANSIENT,
        headers={names.FRAME: listed, names.FIRST_SEEN: host_now().isoformat()},
    )
    body = pack(each.body for each in members)
    return Parcel(exchange=Exchange.COMMANDS, routing_key=lane, body=body, properties=properties)


def reply_parcel(question: Incoming, reply_to: str, body: bytes) -> Parcel:
    """An answer. Not mandatory: an asker that is gone is no fault of the topology."""
    properties = spec.Basic.Properties(correlation_id=str(question.message_id), delivery_mode=TRANSIENT)
    return _answer(reply_to, body, properties)


def replies_parcel(reply_to: str, replies: Sequence[Framed]) -> Parcel:
    """The answers to what travelled together."""
    properties = spec.Basic.Properties(
        content_type=CONTENT_TYPE, delivery_mode=TRANSIENT, headers={names.FRAME: listing(replies)}
    )
    return _answer(reply_to, pack(each.body for each in replies), properties)


def read_replies(message: "DeliveredMessage") -> Sequence[tuple[str, bytes]]:
    """Answers, each with the id of its question as hexadecimal digits. Raises `BrokenFrame`."""
    properties = message.header.properties
    listed = (properties.headers or {}).get(names.FRAME)
    if listed is None:
        return [((properties.correlation_id or "").replace("-", ""), message.body)]
    return unpack_answers(message.body, listed)


def _question(
    lane: str, message_id: UUID, body: bytes, reply_to: str, headers: dict[str, Any], *, left: float
) -> Parcel:
    properties = spec.Basic.Properties(
        message_id=str(message_id),
        correlation_id=str(message_id),
        reply_to=reply_to,
        expiration=_expiration(left),
        delivery_mode=TRANSIENT,
        headers=headers,
    )
    return Parcel(exchange=Exchange.COMMANDS, routing_key=lane, body=body, properties=properties)


def _answer(reply_to: str, body: bytes, properties: spec.Basic.Properties) -> Parcel:
    return Parcel(
        exchange=names.DEFAULT_EXCHANGE, routing_key=reply_to, body=body, properties=properties, is_mandatory=False
    )


def _expiration(left: float) -> str:
    """AMQP wants whole milliseconds, as text."""
    return str(max(1, int(left * 1000)))
