"""The one protocol that both transports speak, and the values that cross it.

A *lane* is a queue and its workers (`topology.py` lists them all). A transport moves bytes with a few headers; it never
looks into a body. The conformance suite in ``tests/conformance`` says what every implementation must do.
"""

import datetime as dt
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from shared.messaging.topology import Lane


class Exchange(enum.StrEnum):
    """Where an outgoing message is handed in."""

    EVENTS = "deskfactor.events"  # topic: every fact, to whoever bound a pattern
    COMMANDS = "deskfactor.commands"  # direct: the routing key is the name of a lane


class PublishOutcome(enum.StrEnum):
    """How one publish ended. There is no fifth way."""

    CONFIRMED = "confirmed"  # the transport has it, on disk
    UNROUTABLE = "unroutable"  # no lane takes it: the topology is wrong; keep the row and raise an alarm
    REFUSED = "refused"  # the lane is full or not available; keep the row and come again later
    UNKNOWN = "unknown"  # no answer: it may or may not be stored; send again with the same message id


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message on its way out."""

    message_id: UUID
    exchange: Exchange
    routing_key: str
    body: bytes = field(repr=False)
    expires_at: dt.datetime | None = None  # host time; after it nobody shall act on the message
    headers: Mapping[str, str] = field(default_factory=dict)
    tenant_id: UUID | None = None  # whose it is
    has_own_queue: bool = False  # of a fact: it goes to its tenant's own queue as well
    subject: str | None = None  # of a request: of one of its tenant's only one is under way: order is kept
    goes_alone: bool = False  # a request that takes long: nobody shall wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One message as a lane's workers get it."""

    lane: str
    message_id: UUID
    body: bytes = field(repr=False)
    attempt: int = 0  # times a handler failed on it and the retry ladder brought it back
    expires_at: dt.datetime | None = None
    wants_reply: bool = False
    first_seen_at: dt.datetime
    dead_reason: str | None = None  # only on what `consume_dead` hands over
    headers: Mapping[str, str] = field(default_factory=dict)
    tenant_id: UUID | None = None  # of what a tenant published itself: as the broker checked, not as the message says


@dataclass(frozen=True, slots=True)
class Ack:
    """Done, or a duplicate: take it off the lane."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Done, and this is the answer to who asked; sent before the message is taken off the lane."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed for now: bring it back after the next step of the ladder; past the last step it becomes a dead letter."""

    reason: str  # a machine word, e.g. the exception's class name; never text that could hold a person's data


@dataclass(frozen=True, slots=True)
class Dead:
    """Will never succeed: set it aside for a person, at once."""

    reason: str


Disposition = Ack | Reply | Retry | Dead

Receive = Callable[[Sequence[Incoming]], Awaitable[Sequence[Disposition]]]
"""Takes a batch (never empty, at most the lane's `batch`) and gives one disposition each, in order. It does not raise:
what a handler could not do is a `Retry` or a `Dead`."""


class NoReply(Exception):
    """No answer came in time, or none can come any more. Whether the command was carried out is not known."""


class Unavailable(Exception):
    """The transport is known to be down or refused the message: nothing was handed over."""


class Bus(Protocol):
    """A transport, entered as an async context manager: on exit it stops consuming, finishes work in hand, closes."""

    async def publish(self, batch: Sequence[Outgoing]) -> list[PublishOutcome]:
        """Hand over all of `batch` at once; one outcome each, in order. Raises nothing but `CancelledError`."""
        ...

    def destination(self, exchange: Exchange, routing_key: str) -> str:
        """A name for where such a message goes: what has the same gets stuck together, what has another does not."""
        ...

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        """Send to a request lane and wait for the reply until ``outgoing.expires_at`` (required).

        Raises `NoReply` at that instant, or before when the way back is lost; `Unavailable` at once when the transport
        is down.
        """
        ...

    async def consume(self, lane: Lane, receive: Receive) -> None:
        """Start the workers of `lane` in tasks of our own; returns at once. Workers survive every loss of the link."""
        ...

    async def consume_dead(self, lanes: Sequence[Lane], receive: Receive) -> None:
        """Start a worker that takes what died on `lanes`, whoever declared it dead; returns at once."""
        ...

    async def stop_consuming(self) -> None:
        """Take no more messages and finish those in hand, for at most 25 s; publishing goes on."""
        ...

    def is_up(self) -> bool:
        """Whether commands and requests can be handed over right now, as far as known."""
        ...

    def is_consuming(self) -> bool:
        """Whether every lane that was asked for has its workers on it right now; true without any."""
        ...
