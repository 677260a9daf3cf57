"""A link to publish over: every message ends in one of the four outcomes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiormq.exceptions import DeliveryError, PublishError

from shared.clock import monotonic
from shared.messaging.bus import PublishOutcome
from shared.messaging.rabbitmq.declare import ensure
from shared.messaging.rabbitmq.envelope import Parcel
from shared.messaging.rabbitmq.link import Link
from shared.messaging.rabbitmq.parts import Part
from shared.messaging.rabbitmq.session import LinkLost, link_errors

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel as Channel

    from shared.messaging.rabbitmq.session import Session

CONFIRM_TIMEOUT = 10.0  # seconds; a frozen leader of a quorum queue is replaced within 6.6
UNKNOWN_IN_A_ROW = 3  # with no word on any other meanwhile: the connection is taken for dead, whatever it says itself

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Line:
    """A channel and the session that it lives and dies with."""

    session: "Session"
    channel: "Channel"


class Sender:
    """One link, one channel with confirms. What it needs on the broker is made anew at every connection."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str,
        needs: Sequence[Part],
        heartbeat: int,
        prepare: "Callable[[Channel], Awaitable[None]] | None" = None,
    ) -> None:
        """``needs``: what has to exist there; ``prepare``: done on every fresh channel before it is used."""
        self.link = Link(urls, name=name, build=self._build, heartbeat=heartbeat)
        self._needs = needs
        self._prepare = prepare
        self._line: Line | None = None
        self._unknown = 0
        self._heard_at = -CONFIRM_TIMEOUT
        self._in_flight: dict[str, asyncio.Future[None]] = {}

    async def send(self, parcel: Parcel, *, timeout: float = CONFIRM_TIMEOUT) -> PublishOutcome:
        """Hand one message over and wait for the broker's word, at most ``timeout`` seconds.

        With the link down or blocked the answer is `REFUSED` at once: nothing was handed over.
        """
        async with self._alone(parcel.properties.message_id):
            line = self._line
            if line is None or line.session.is_over() or line.session.is_blocked():
                return PublishOutcome.REFUSED
            outcome = await _publish(line.channel, parcel, timeout)
        self._judge(line, outcome, timeout)
        return outcome

    async def _build(self, session: "Session") -> None:
        await ensure(session, self._needs)
        channel = await session.open_channel(has_confirms=True)
        if self._prepare is not None:
            await self._prepare(channel)
        self._line = Line(session, channel)

    @contextlib.asynccontextmanager
    async def _alone(self, message_id: str | None) -> AsyncIterator[None]:
        """One publish of an id at a time: the library matches a returned message to its publish by the id alone."""
        if message_id is None:
            yield
            return
        while (earlier := self._in_flight.get(message_id)) is not None:
            await asyncio.wait({earlier})
        turn = self._in_flight[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._in_flight[message_id]
            turn.set_result(None)

    def _judge(self, line: Line, outcome: PublishOutcome, timeout: float) -> None:
        """One queue without a leader says nothing either, but then there is word of others."""
        now = monotonic()
        if outcome is not PublishOutcome.UNKNOWN:
            self._unknown, self._heard_at = 0, now
            return
        self._unknown += 1
        if self._unknown >= UNKNOWN_IN_A_ROW and now - self._heard_at > timeout:
            self._unknown = 0
            line.session.end("no word on three publishes in a row")


async def _publish(channel: "Channel", parcel: Parcel, timeout: float) -> PublishOutcome:
    try:
        with link_errors():
            return await _hand_over(channel, parcel, timeout)
    except LinkLost:
        return PublishOutcome.UNKNOWN


async def _hand_over(channel: "Channel", parcel: Parcel, timeout: float) -> PublishOutcome:
    try:
        await channel.basic_publish(
            parcel.body,
            exchange=parcel.exchange,
            routing_key=parcel.routing_key,
            properties=parcel.properties,
            mandatory=parcel.is_mandatory,
            timeout=timeout,
        )
    except PublishError:
        return PublishOutcome.UNROUTABLE
    except DeliveryError:
        return PublishOutcome.REFUSED
    except (TypeError, ValueError) as error:
        # It cannot be put on the wire, now or ever (a routing key over 255 bytes): raised, it would stop the relay
        # at this row for good. No traceback: its frames hold the body.
        log.error("publish_impossible", message_id=parcel.properties.message_id, error=type(error).__name__)
        return PublishOutcome.UNROUTABLE
    return PublishOutcome.CONFIRMED
