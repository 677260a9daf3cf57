"""Requests of a test's own, and a handler that lets them wait."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from shared.clock import host_now
from shared.messaging.bus import Bus, Disposition, Incoming, Outgoing, Receive
from shared.messaging.topology import Lane
from tests.support.receiver import PATIENCE
from tests.support.transports import command


def ask(
    bus: Bus,
    lane: Lane,
    body: bytes,
    *,
    left: float = PATIENCE,
    subject: str | None = None,
    goes_alone: bool = False,
) -> "asyncio.Task[bytes]":
    """A request under way, that is worth ``left`` seconds."""
    sent = command(lane, body, expires_at=host_now() + dt.timedelta(seconds=left))
    return asyncio.create_task(_request(bus, lane, replace(sent, subject=subject, goes_alone=goes_alone)))


async def _request(bus: Bus, lane: Lane, outgoing: Outgoing) -> bytes:
    return await bus.request(lane.name, outgoing)


class Gate:
    """A handler that, with the body ``hangs``, waits until it is opened, so that all others are asked meanwhile."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def receive(self, batch: Sequence[Incoming]) -> Sequence[Disposition]:
        """`shared.messaging.bus.Receive`."""
        if b"hangs" in [each.body for each in batch]:
            self.begun.set()
            await self.open.wait()
        return await self._receive(batch)
