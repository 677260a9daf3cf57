"""Messages as AMQP carries them: properties and headers on the way out, `Incoming` on the way in."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from aiormq import spec

from shared.clock import host_now
from shared.messaging.bus import Exchange, Incoming, Outgoing
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.frames import unpack
from shared.messaging.topology import INGRESS_MOST_BYTES

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

TRANSIENT, PERSISTENT = 1, 2  # AMQP's delivery modes
MOST_ATTEMPTS = 1_000  # far beyond any ladder; a stranger's header may say more than a column holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message with its address, ready for the wire."""

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    properties: spec.Basic.Properties
    is_mandatory: bool = True  # comes back when no queue takes it


def outgoing_parcel(outgoing: Outgoing) -> Parcel:
    """A message for an exchange, kept on disk until it is done. A fact may go to its tenant's own queue as well."""
    headers = outgoing_headers(outgoing)
    if outgoing.tenant_id is not None:
        headers[names.TENANT] = str(outgoing.tenant_id)
        if outgoing.has_own_queue and outgoing.exchange is Exchange.EVENTS:
            headers[names.BLIND_COPY] = [names.out_key_of(outgoing.tenant_id)]
    properties = spec.Basic.Properties(message_id=str(outgoing.message_id), delivery_mode=PERSISTENT, headers=headers)
    return Parcel(
        exchange=outgoing.exchange, routing_key=outgoing.routing_key, body=outgoing.body, properties=properties
    )


def outgoing_headers(outgoing: Outgoing) -> dict[str, Any]:
    """What every message of ours says."""
    headers: dict[str, Any] = {**outgoing.headers, names.FIRST_SEEN: host_now().isoformat()}
    if outgoing.expires_at is not None:
        headers[names.EXPIRES_AT] = outgoing.expires_at.isoformat()
    return headers


def copy_parcel(
    incoming: Incoming, exchange: str, routing_key: str, *, attempt: int | None = None, dead_reason: str | None = None
) -> Parcel:
    """The same message for another queue: same id, age and expiry.

    The broker's own headers stay behind: 3.10 takes them for a cycle after some rounds, and drops the message.
    """
    headers: dict[str, Any] = {
        **incoming.headers,
        names.ATTEMPT: incoming.attempt if attempt is None else attempt,
        names.FIRST_SEEN: incoming.first_seen_at.isoformat(),
    }
    if incoming.expires_at is not None:
        headers[names.EXPIRES_AT] = incoming.expires_at.isoformat()
    if dead_reason is not None:
        headers[names.DEAD_REASON] = dead_reason
    if incoming.tenant_id is not None:
        headers[names.TENANT] = str(incoming.tenant_id)
    properties = spec.Basic.Properties(message_id=str(incoming.message_id), delivery_mode=PERSISTENT, headers=headers)
    return Parcel(exchange=exchange, routing_key=routing_key, body=incoming.body, properties=properties)


def read(message: "DeliveredMessage", *, lane: str, is_dead: bool) -> Incoming:
    """A delivery as the workers get it. Whatever strangers wrote into properties and headers, it does not raise."""
    properties = message.header.properties
    headers: Mapping[str, Any] = properties.headers or {}
    if _is_strangers(message, headers):
        return _read_strangers(message, headers, lane=lane, is_dead=is_dead)
    attempt = headers.get(names.ATTEMPT)
    return Incoming(
        lane=lane,
        message_id=_identity(properties.message_id, message.body),
        body=message.body,
        attempt=attempt if isinstance(attempt, int) and 0 < attempt < MOST_ATTEMPTS else 0,
        expires_at=_instant(headers.get(names.EXPIRES_AT)),
        wants_reply=bool(properties.reply_to),
        first_seen_at=_instant(headers.get(names.FIRST_SEEN)) or host_now(),
        dead_reason=_dead_reason(headers) if is_dead else None,
        headers={key: value for key, value in headers.items() if isinstance(value, str) and not _is_transports(key)},
        tenant_id=_uuid(headers.get(names.TENANT)),
    )


def _is_strangers(message: "DeliveredMessage", headers: Mapping[str, Any]) -> bool:
    """Whether a tenant published this very message, and not one of us a copy of it.

    None of us sets `user_id`; and where the broker itself moved a message to the dead letters, it wrote down whence.
    """
    if message.header.properties.user_id or getattr(message.delivery, "exchange", None) == names.INGRESS_EXCHANGE:
        return True
    deaths = headers.get(names.DEATHS)
    return isinstance(deaths, list) and any(
        isinstance(death, dict) and death.get("exchange") == names.INGRESS_EXCHANGE for death in deaths
    )


def _read_strangers(message: "DeliveredMessage", headers: Mapping[str, Any], *, lane: str, is_dead: bool) -> Incoming:
    """What a tenant published. Only two things in it are true: the bytes, and who the broker says that sent them.

    Its id is made anew, so that no tenant can choose the id of another's dead letter; and of a body that is too large
    only so much is kept that it can be seen to be so.
    """
    properties = message.header.properties
    body = message.body[: INGRESS_MOST_BYTES + 1]
    return Incoming(
        lane=lane,
        message_id=uuid5(NAMESPACE_OID, f"{properties.user_id} {properties.message_id} {body.hex()}"),
        body=body,
        first_seen_at=host_now(),
        dead_reason=_brokers_reason(headers) if is_dead else None,
        tenant_id=names.tenant_of(properties.user_id),
    )


def read_frame(message: "DeliveredMessage", *, lane: str, is_dead: bool) -> Sequence[Incoming] | None:
    """The messages in a frame; None: it is none. Raises `BrokenFrame`."""
    headers: Mapping[str, Any] = message.header.properties.headers or {}
    if names.FRAME not in headers or _is_strangers(message, headers):
        return None
    first_seen_at = _instant(headers.get(names.FIRST_SEEN)) or host_now()
    return [
        Incoming(
            lane=lane,
            message_id=each.message_id,
            body=each.body,
            expires_at=each.expires_at,
            wants_reply=bool(message.header.properties.reply_to),
            first_seen_at=first_seen_at,
            dead_reason=_brokers_reason(headers) if is_dead else None,
        )
        for each in unpack(message.body, headers[names.FRAME])
    ]


def goes_alone(message: "DeliveredMessage") -> bool:
    """Whether it is a request that shall be judged together with no other."""
    return names.ALONE in (message.header.properties.headers or {})


def deliveries_before(message: "DeliveredMessage") -> int:
    """How often this queue delivered the message and never heard that it was done."""
    count = (message.header.properties.headers or {}).get(names.DELIVERY_COUNT)
    return count if isinstance(count, int) else 0


def _is_transports(header: str) -> bool:
    return header in names.OURS or header.startswith(names.BROKERS)


def _identity(message_id: str | None, body: bytes) -> UUID:
    """The message's id, or one made from what it is: redelivered, it must be the same again."""
    try:
        return UUID(message_id or "")
    except ValueError:
        return uuid5(NAMESPACE_OID, f"{message_id} {body.hex()}")


def _instant(value: object) -> dt.datetime | None:
    """An ISO 8601 instant with its offset; anything else, and what UTC has no year for, counts as absent."""
    if not isinstance(value, str):
        return None
    try:
        instant = dt.datetime.fromisoformat(value)
        return instant.astimezone(dt.UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _dead_reason(headers: Mapping[str, Any]) -> str | None:
    """Ours where a handler gave one; else the broker's."""
    reason = headers.get(names.DEAD_REASON)
    return reason if isinstance(reason, str) else _brokers_reason(headers)


def _brokers_reason(headers: Mapping[str, Any]) -> str | None:
    """The broker's word: `rejected`, `delivery_limit`, `expired` or `maxlen`."""
    match headers.get(names.DEATHS):
        case [{"reason": str(word)}, *_]:
            return word
        case _:
            return None
