"""What leaves in one batch, made up into as few messages as may be: each is written to disk and confirmed for itself.

A fact goes twice: among all others, in their order, to those who take every fact, and by its type to those who listen
to that. Both are confirmed before it counts as published; one that was confirmed to some only goes to all again, and
their inboxes know it.
"""

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiormq import spec

from shared.clock import host_now
from shared.ids import new_id
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import PERSISTENT, Parcel, outgoing_parcel
from shared.messaging.rabbitmq.frames import CONTENT_TYPE, Framed, listing, pack
from shared.messaging.topology import EVERY_FACT, Lane, matches

MOST_MESSAGES = 200  # in a frame
MOST_BYTES = 256 * 1024  # of a frame's bodies; a larger message leaves by itself
KNOWN_KEYS = 1_000  # routing keys that are kept in memory
_WORST_FIRST = (PublishOutcome.UNROUTABLE, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN, PublishOutcome.CONFIRMED)


Placed = tuple[int, Outgoing]
"""A message and its place in the batch."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """One message on the wire, and the places in the batch of what is in it."""

    exchange: Exchange  # whose link it leaves over
    parcel: Parcel
    places: tuple[int, ...]


def worst(outcomes: Iterable[PublishOutcome]) -> PublishOutcome:
    """What became of a message of which several went out."""
    return min(outcomes, key=_WORST_FIRST.index)


class Packing:
    """Knows who takes what."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(lanes)
        self._recorders = [lane for lane in lanes if EVERY_FACT in lane.binds]
        self._listeners = functools.lru_cache(KNOWN_KEYS)(self._find_listeners)

    def consign(self, batch: Sequence[Outgoing]) -> list[Consignment]:
        """Every message of the batch is in one of them at least."""
        return [*self._record(batch), *self._by_address(batch)]

    def _record(self, batch: Sequence[Outgoing]) -> Iterator[Consignment]:
        if not self._recorders:
            return
        facts = [
            (place, dataclasses.replace(each, has_own_queue=False) if each.has_own_queue else each)
            for place, each in enumerate(batch)
            if each.exchange is Exchange.EVENTS
        ]
        for group in _groups(facts, most=_most(self._recorders)):
            parcel = dataclasses.replace(_pack(group), exchange=names.RECORD_EXCHANGE, routing_key="")
            yield Consignment(Exchange.EVENTS, parcel, _places(group))

    def _by_address(self, batch: Sequence[Outgoing]) -> Iterator[Consignment]:
        """To those who listen, and to a tenant's own queue. What is for nobody goes out all the same: the broker shall
        say so.
        """
        by_address: dict[tuple[Exchange, str], list[Placed]] = defaultdict(list)
        for place, each in enumerate(batch):
            by_address[each.exchange, each.routing_key].append((place, each))
        for (exchange, routing_key), placed in by_address.items():
            listeners = self._listeners(exchange, routing_key)
            is_recorded = exchange is Exchange.EVENTS and bool(self._recorders)
            for group in _groups(placed, most=_most(listeners)):
                if listeners or not is_recorded:
                    yield Consignment(exchange, _pack(group), _places(group))
                elif group[0][1].has_own_queue:  # which may be gone, and nobody else listens
                    parcel = dataclasses.replace(_pack(group), is_mandatory=False)
                    yield Consignment(exchange, parcel, _places(group))

    def _find_listeners(self, exchange: Exchange, routing_key: str) -> list[Lane]:
        """The lanes that take it, but those who take every fact."""
        match exchange:
            case Exchange.COMMANDS:
                return [lane for lane in self._lanes if lane.name == routing_key]
            case Exchange.EVENTS:
                patterns = ((lane, pattern) for lane in self._lanes for pattern in lane.binds)
                return [lane for lane, pattern in patterns if pattern != EVERY_FACT and matches(pattern, routing_key)]


def _pack(group: Sequence[Placed]) -> Parcel:
    """Messages for one address; kept on disk until all of them are done. A frame of one is the message itself."""
    (_, first), *others = group
    if not others:
        return outgoing_parcel(first)
    listed = listing(Framed(each.message_id, each.body) for _, each in group)
    properties = spec.Basic.Properties(
        message_id=str(new_id()),
        content_type=CONTENT_TYPE,
        delivery_mode=PERSISTENT,
        headers={names.FRAME: listed, names.FIRST_SEEN: host_now().isoformat()},
    )
    body = pack(each.body for _, each in group)
    return Parcel(exchange=first.exchange, routing_key=first.routing_key, body=body, properties=properties)


def _places(group: Sequence[Placed]) -> tuple[int, ...]:
    return tuple(place for place, _ in group)


def _most(lanes: Sequence[Lane]) -> int:
    """As many as each of them takes at once: more would wait for one worker while others have nothing to do."""
    return min((MOST_MESSAGES, *(lane.batch for lane in lanes)))


def _groups(placed: Iterable[Placed], *, most: int) -> Iterator[list[Placed]]:
    """In their order. What has headers of its own is a group by itself: in a frame there are none."""
    group: list[Placed] = []
    size = 0
    for place, each in placed:
        has_headers = each.has_own_queue or bool(each.headers) or each.expires_at is not None
        if group and (has_headers or len(group) == most or size + len(each.body) > MOST_BYTES):
            yield group
            group, size = [], 0
        if has_headers:
            yield [(place, each)]
        else:
            group.append((place, each))
            size += len(each.body)
    if group:
        yield group
