"""What the conformance suite asks of a transport beyond `Bus`: to be made, to be cut off, to have a worker killed."""

import datetime as dt
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from shared.ids import new_id
from shared.messaging.bus import Bus, Exchange, Outgoing
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.topology import Lane
from tests.support.rabbitmq import Rabbit

FAST = (dt.timedelta(milliseconds=100), dt.timedelta(milliseconds=200))  # a ladder that a test can climb
STUCK_WORKER = Path(__file__).with_name("stuck_worker.py")


class Transport(Protocol):
    """One implementation of `Bus` under test."""

    name: str

    def bus(self, *lanes: Lane, retry_delays: Sequence[dt.timedelta] = FAST) -> AbstractAsyncContextManager[Bus]:
        """A bus with that table of lanes, as a process of its own would have it."""
        ...

    def unreachable(self, *lanes: Lane) -> AbstractAsyncContextManager[Bus]:
        """A bus whose server is not there."""
        ...

    def stuck_worker(self, lane: Lane) -> list[str]:
        """The command of a process that takes one message of ``lane``, prints a line and never ends."""
        ...


class RabbitTransport:
    """`RabbitBus` on a private broker."""

    name = "rabbitmq"

    def __init__(self, rabbit: Rabbit) -> None:
        self._rabbit = rabbit

    def bus(self, *lanes: Lane, retry_delays: Sequence[dt.timedelta] = FAST) -> AbstractAsyncContextManager[Bus]:
        """See `Transport`."""
        return RabbitBus(self._rabbit.urls, name="test", lanes=lanes, retry_delays=retry_delays)

    def unreachable(self, *lanes: Lane) -> AbstractAsyncContextManager[Bus]:
        """See `Transport`. Nobody listens on port 1."""
        return RabbitBus(["amqp://127.0.0.1:1/"], name="test", lanes=lanes)

    def stuck_worker(self, lane: Lane) -> list[str]:
        """See `Transport`."""
        return [sys.executable, str(STUCK_WORKER), self.name, self._rabbit.url(), json.dumps(asdict(lane))]


def new_lane(
    *, binds: tuple[str, ...] = (), workers: int = 1, batch: int = 1, pace: float = 0.0, is_request: bool = False
) -> Lane:
    """A lane that no other test knows."""
    return Lane(
        name=f"test.{new_id().hex}", binds=binds, workers=workers, batch=batch, pace=pace, is_request=is_request
    )


def command(lane: Lane, body: bytes = b"{}", *, expires_at: dt.datetime | None = None) -> Outgoing:
    """A message for that lane."""
    return Outgoing(
        message_id=new_id(), exchange=Exchange.COMMANDS, routing_key=lane.name, body=body, expires_at=expires_at
    )


def event(routing_key: str, body: bytes = b"{}") -> Outgoing:
    """A fact, for whoever bound its type."""
    return Outgoing(message_id=new_id(), exchange=Exchange.EVENTS, routing_key=routing_key, body=body)
