"""The table of lanes as objects of a broker.

The argument sets behave alike on RabbitMQ 3.10 and 4.x. They belong to a queue's identity and never change: another set
needs another name. Capacity (length in bytes, placement) is for the broker's policies.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.messaging.bus import Exchange
from shared.messaging.rabbitmq import names
from shared.messaging.topology import (
    DELIVERY_LIMIT,
    EVERY_FACT,
    INGRESS_LANE_LENGTH,
    REQUEST_BUDGET,
    REQUEST_LANE_LENGTH,
    Lane,
)

SOLO_DELIVERY_LIMIT = 2  # what kills its worker dies here after three more deliveries
REQUEST_DELIVERY_LIMIT = 2
DEAD_DELIVERY_LIMIT = 1_000_000_000  # a dead letter must not die again; "no limit" (-1) loses messages on 3.10
OUT_LENGTH = 100_000  # events that a tenant has not read; then the oldest go
OUT_BYTES = 64 * 1024 * 1024
OUT_TTL = dt.timedelta(days=7)
REQUEST_TTL = REQUEST_BUDGET + dt.timedelta(seconds=0.5)  # the message's own is shorter; this one is for strangers'


@dataclass(frozen=True, slots=True)
class ExchangePart:
    """A durable exchange without arguments: no alternate one, so that what nobody takes comes back to its sender."""

    name: str
    kind: str  # direct, topic or fanout


@dataclass(frozen=True, slots=True)
class QueuePart:
    """A durable queue, and the (exchange, routing key) pairs that lead to it."""

    name: str
    arguments: Mapping[str, str | int]
    bindings: tuple[tuple[str, str], ...]


Part = ExchangePart | QueuePart


def exchange_parts(retry_delays: Sequence[dt.timedelta]) -> Iterator[ExchangePart]:
    """All that is ever published to."""
    yield ExchangePart(names.DEAD_EXCHANGE, "direct")
    for delay in retry_delays:
        yield ExchangePart(names.retry_exchange_of(delay), "fanout")
    yield ExchangePart(Exchange.COMMANDS.value, "direct")
    yield ExchangePart(Exchange.EVENTS.value, "topic")
    yield ExchangePart(names.RECORD_EXCHANGE, "fanout")
    yield ExchangePart(names.INGRESS_EXCHANGE, "topic")


def all_parts(lanes: Sequence[Lane], retry_delays: Sequence[dt.timedelta]) -> Iterator[Part]:
    """Everything in the order of making.

    The dead side comes first: a message that dies without a dead queue is hidden in its own queue, and came out only
    after three minutes.
    """
    yield from exchange_parts(retry_delays)
    yield from (_dead(lane) for lane in lanes)
    yield from (_retry(delay) for delay in retry_delays)
    yield from (_solo(lane) for lane in lanes if not lane.is_request)
    yield from (_worked(lane) for lane in lanes)


def out_part(tenant_id: UUID) -> QueuePart:
    """Where a tenant reads its events.

    The oldest go when it is full. Were it to refuse instead, the event would be confirmed to nobody, and a tenant that
    reads nothing would hold up everybody's outbox.
    """
    arguments: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-max-length": OUT_LENGTH,
        "x-max-length-bytes": OUT_BYTES,
        "x-overflow": "drop-head",
        "x-message-ttl": names.milliseconds(OUT_TTL),
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    bindings = ((Exchange.EVENTS.value, names.out_key_of(tenant_id)),)
    return QueuePart(names.out_queue_of(tenant_id), arguments, bindings)


def _worked(lane: Lane) -> QueuePart:
    if lane.is_request:
        return _request(lane)
    return _ingress(lane) if lane.is_ingress else _work(lane)


def _work(lane: Lane) -> QueuePart:
    bindings = ((Exchange.COMMANDS.value, lane.name), *map(_binding, lane.binds))
    return QueuePart(names.queue_of(lane), _mortal(lane, DELIVERY_LIMIT), bindings)


def _binding(pattern: str) -> tuple[str, str]:
    """Who takes every fact takes them from where they come many in a message, in their order."""
    return (names.RECORD_EXCHANGE, "") if pattern == EVERY_FACT else (Exchange.EVENTS.value, pattern)


def _ingress(lane: Lane) -> QueuePart:
    """Retries and replays come over the exchange of commands, where no tenant may write."""
    arguments = _mortal(lane, DELIVERY_LIMIT) | {"x-max-length": INGRESS_LANE_LENGTH}
    bindings = ((Exchange.COMMANDS.value, lane.name), (names.INGRESS_EXCHANGE, "#"))
    return QueuePart(names.queue_of(lane), arguments, bindings)


def _solo(lane: Lane) -> QueuePart:
    bindings = ((Exchange.COMMANDS.value, names.solo_key_of(lane)),)
    return QueuePart(names.solo_queue_of(lane), _mortal(lane, SOLO_DELIVERY_LIMIT), bindings)


def _mortal(lane: Lane, delivery_limit: int) -> dict[str, str | int]:
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": names.DEAD_EXCHANGE,
        "x-dead-letter-routing-key": lane.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",  # at-least-once demands it
        "x-delivery-limit": delivery_limit,
    }


def _dead(lane: Lane) -> QueuePart:
    arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": DEAD_DELIVERY_LIMIT}
    return QueuePart(names.dead_queue_of(lane), arguments, ((names.DEAD_EXCHANGE, lane.name),))


def _retry(delay: dt.timedelta) -> QueuePart:
    """One queue a delay for all lanes: the routing key is kept on the way, and is the lane's name.

    A delay of its own for each message would not do: a queue lets expired messages go at its head only.
    """
    arguments: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-message-ttl": names.milliseconds(delay),
        "x-dead-letter-exchange": Exchange.COMMANDS.value,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": DELIVERY_LIMIT,
    }
    return QueuePart(names.retry_queue_of(delay), arguments, ((names.retry_exchange_of(delay), ""),))


def _request(lane: Lane) -> QueuePart:
    """A request nobody took in time, or that kills its worker, is dropped: who asked is no longer there."""
    arguments: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-message-ttl": names.milliseconds(REQUEST_TTL),
        "x-max-length": REQUEST_LANE_LENGTH,
        "x-overflow": "reject-publish",
        "x-delivery-limit": REQUEST_DELIVERY_LIMIT,
    }
    return QueuePart(names.queue_of(lane), arguments, ((Exchange.COMMANDS.value, lane.name),))
