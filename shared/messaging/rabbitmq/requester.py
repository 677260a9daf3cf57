"""Questions over AMQP: direct reply-to, one reply consumer per connection."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from shared.clock import host_now, monotonic
from shared.messaging.bus import NoReply, Outgoing, PublishOutcome, Unavailable
from shared.messaging.coalescing import Asked, Coalescing
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import Parcel
from shared.messaging.rabbitmq.frames import BrokenFrame
from shared.messaging.rabbitmq.parts import Part
from shared.messaging.rabbitmq.questions import frame_parcel, read_replies, request_parcel
from shared.messaging.rabbitmq.sender import Sender
from shared.messaging.topology import Lane

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel as Channel
    from aiormq.abc import DeliveredMessage

HEARTBEAT = 5  # seconds; somebody waits for every answer
CONSUME_TIMEOUT = 5.0  # seconds

log = structlog.get_logger()


class Requester:
    """Asks, and brings each answer to who asked."""

    def __init__(self, urls: Sequence[str], *, name: str, needs: Sequence[Part], lanes: Sequence[Lane]) -> None:
        """``needs``: the exchanges that are published to."""
        self.sender = Sender(urls, name=name, needs=needs, heartbeat=HEARTBEAT, prepare=self._listen)
        self.link = self.sender.link
        self._waiting: dict[str, list[Asked]] = {}  # by message id, in hexadecimal digits
        self._coalescing = {
            lane.name: Coalescing(functools.partial(self._travel, lane.name), most_messages=lane.batch)
            for lane in lanes
            if lane.is_request
        }

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        """See `Bus.request`. A link that is lost on the way is a `NoReply` at once: its replies went with it."""
        if outgoing.expires_at is None:
            raise ValueError("a request has a deadline")
        left = (outgoing.expires_at - host_now()).total_seconds()
        if left <= 0:
            raise NoReply
        asked = Asked(outgoing)
        timer = asyncio.get_running_loop().call_later(left, _fail, (asked,), NoReply)
        message_id = outgoing.message_id.hex
        self._expect(message_id, asked)
        try:
            self._coalescing[lane].put(asked)
            return await asked.reply
        finally:
            timer.cancel()
            self._forget(message_id, asked)

    async def close(self) -> None:
        """End the link; whoever waits for a reply hears so."""
        await self.link.close()
        await asyncio.gather(*(each.wait_idle() for each in self._coalescing.values()))

    async def _travel(self, lane: str, frame: Sequence[Asked]) -> None:
        """See `Travel`."""
        now = host_now()
        left = max((each.outgoing.expires_at or now) - now for each in frame).total_seconds()
        deadline = monotonic() + left
        session = self.link.session
        outcome = await self.sender.send(_parcel(lane, frame, left=left), timeout=max(left, 0.001))
        match outcome:
            case PublishOutcome.UNROUTABLE | PublishOutcome.REFUSED:
                _fail(frame, lambda: Unavailable(outcome.value))
            case PublishOutcome.CONFIRMED | PublishOutcome.UNKNOWN:
                await _wait_for_all(frame, None if session is None else session.ended, deadline)
                _fail(frame, NoReply)

    async def _listen(self, channel: "Channel") -> None:
        """Set up the reply consumer. On the channel that asks, and again on every new one: RabbitMQ demands both."""
        await channel.basic_consume(names.REPLY_QUEUE, self._take_replies, no_ack=True, timeout=CONSUME_TIMEOUT)

    async def _take_replies(self, message: "DeliveredMessage") -> None:
        try:
            replies = read_replies(message)
        except BrokenFrame:
            log.error("broken_frame", queue=names.REPLY_QUEUE)
            return
        for message_id, body in replies:
            for asked in self._waiting.get(message_id, ()):  # too late: nobody
                if not asked.reply.done():
                    asked.reply.set_result(body)

    def _expect(self, message_id: str, asked: Asked) -> None:
        """The same question may be asked twice at once, by a client that sends again: one answer serves both."""
        self._waiting.setdefault(message_id, []).append(asked)

    def _forget(self, message_id: str, asked: Asked) -> None:
        """Nobody waits any more."""
        asked.reply.cancel()
        waiting = self._waiting[message_id]
        waiting.remove(asked)
        if not waiting:
            del self._waiting[message_id]


def _parcel(lane: str, frame: Sequence[Asked], *, left: float) -> Parcel:
    match frame:
        case [alone]:
            return request_parcel(lane, alone.outgoing, left=left)
        case _:
            return frame_parcel(lane, [each.outgoing for each in frame], left=left)


async def _wait_for_all(frame: Sequence[Asked], ended: "asyncio.Future[Any] | None", deadline: float) -> None:
    """Until each has its reply, the link has ``ended``, or it is ``deadline`` (monotonic seconds).

    One after another: replies to a frame come together, so that with the first there are all, and nobody waits twice.
    """
    for each in frame:
        while not (each.reply.done() or (ended is not None and ended.done())):
            left = deadline - monotonic()
            if left <= 0:
                return
            ends = {each.reply} if ended is None else {each.reply, ended}
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _fail(frame: Sequence[Asked], error: Callable[[], Exception]) -> None:
    for each in frame:
        if not each.reply.done():
            each.reply.set_exception(error())
