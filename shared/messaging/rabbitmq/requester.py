"""Questions over AMQP: direct reply-to, one reply consumer per connection."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from shared.clock import host_now, monotonic
from shared.messaging.bus import NoReply, Outgoing, PublishOutcome, Unavailable
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import request_parcel
from shared.messaging.rabbitmq.parts import Part
from shared.messaging.rabbitmq.sender import Sender

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel as Channel
    from aiormq.abc import DeliveredMessage

HEARTBEAT = 5  # seconds; somebody waits for every answer
CONSUME_TIMEOUT = 5.0  # seconds


class Requester:
    """Asks, and brings each answer to who asked."""

    def __init__(self, urls: Sequence[str], *, name: str, needs: Sequence[Part]) -> None:
        """``needs``: the exchanges that are published to."""
        self.sender = Sender(urls, name=name, needs=needs, heartbeat=HEARTBEAT, prepare=self._listen)
        self.link = self.sender.link
        self._waiting: dict[str, list[asyncio.Future[bytes]]] = {}

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        """See `Bus.request`. A link that is lost on the way is a `NoReply` at once: its replies went with it."""
        if outgoing.expires_at is None:
            raise ValueError("a request has a deadline")
        left = (outgoing.expires_at - host_now()).total_seconds()
        if left <= 0:
            raise NoReply
        deadline = monotonic() + left
        session = self.link.session
        with self._await_reply(str(outgoing.message_id)) as reply:
            match await self.sender.send(request_parcel(lane, outgoing, left=left), timeout=left):
                case PublishOutcome.UNROUTABLE | PublishOutcome.REFUSED as outcome:
                    raise Unavailable(outcome.value)
                case PublishOutcome.CONFIRMED | PublishOutcome.UNKNOWN:
                    pass
            ends: set[asyncio.Future[Any]] = {reply} if session is None else {reply, session.ended}
            await asyncio.wait(ends, timeout=deadline - monotonic(), return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise NoReply
            return reply.result()

    async def _listen(self, channel: "Channel") -> None:
        """Set up the reply consumer. On the channel that asks, and again on every new one: RabbitMQ demands both."""
        await channel.basic_consume(names.REPLY_QUEUE, self._take_reply, no_ack=True, timeout=CONSUME_TIMEOUT)

    async def _take_reply(self, message: "DeliveredMessage") -> None:
        for reply in self._waiting.get(message.header.properties.correlation_id or "", ()):  # too late: nobody
            if not reply.done():
                reply.set_result(message.body)

    @contextlib.contextmanager
    def _await_reply(self, message_id: str) -> "Iterator[asyncio.Future[bytes]]":
        """The same question may be asked twice at once, by a client that sends again: one answer serves both."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(message_id, []).append(reply)
        try:
            yield reply
        finally:
            self._waiting[message_id].remove(reply)
            if not self._waiting[message_id]:
                del self._waiting[message_id]
