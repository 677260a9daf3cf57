"""A queue's deliveries, brought to workers that outlive the link they came over.

The library cancels its own callback tasks when a connection is lost, in the middle of a transaction: its callback
therefore does nothing but put the message down, and tasks of ours pick it up.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from shared.clock import monotonic
from shared.messaging.bus import Incoming
from shared.messaging.rabbitmq.envelope import deliveries_before, goes_alone, read, read_frame
from shared.messaging.rabbitmq.frames import BrokenFrame
from shared.messaging.rabbitmq.sender import Line
from shared.messaging.rabbitmq.session import LinkLost, link_errors
from shared.messaging.topology import Lane

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage

    from shared.messaging.rabbitmq.session import Session

PREFETCH_MOST = 64  # deliveries in one process that another could have, each a frame of 256 KiB at most
SETTLE_TIMEOUT = 5.0  # seconds to write an acknowledgement into a socket that does not drain
CONSUME_TIMEOUT = 5.0  # seconds
CANCEL_TIMEOUT = 3.0  # seconds

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message in hand, and the way to say what became of it."""

    incoming: Incoming
    members: Sequence[Incoming] | None  # of a frame
    tag: int
    line: Line
    reply_to: str | None
    deliveries_before: int
    goes_alone: bool  # a request that is slow, or was delivered before and may be what ended its worker
    stopping: asyncio.Event  # the feed takes no more

    @property
    def parts(self) -> Sequence[Incoming]:
        """The messages in it: itself, unless it is a frame."""
        return (self.incoming,) if self.members is None else self.members

    @property
    def is_frame_again(self) -> bool:
        """Whether one of several messages may be why nobody heard that they were done."""
        return self.members is not None and self.deliveries_before > 0

    def is_lost(self) -> bool:
        """Whether it is delivered again whatever is done with it now: its link is gone."""
        return self.line.session.is_over()

    def is_stale(self) -> bool:
        """Whether nobody needs to begin with it, since it is delivered again: its link is gone, or we go."""
        return self.is_lost() or self.stopping.is_set()

    async def pause(self, seconds: float) -> bool:
        """Hold it for a while, or until the feed stops: whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        return self.stopping.is_set()

    async def ack(self) -> None:
        """Take it off the queue. On a lost link nothing happens: it comes again, and the inbox knows it."""
        await self._settle(self.line.channel.basic_ack(self.tag, wait=False))

    async def reject(self, *, requeue: bool) -> None:
        """Back into the queue or over to the dead letters. Not by ``nack``: on 4.3 that does not count deliveries."""
        await self._settle(self.line.channel.basic_reject(self.tag, requeue=requeue, wait=False))

    async def _settle(self, frame: Awaitable[None]) -> None:
        try:
            with link_errors():
                async with asyncio.timeout(SETTLE_TIMEOUT):
                    await frame
        except LinkLost:
            self.line.session.end("an acknowledgement could not be written")


Handle = Callable[[Sequence[Delivery]], Awaitable[None]]


class Feed:
    """One queue and its workers in this process."""

    def __init__(
        self,
        queue: str,
        lane: Lane,
        handle: Handle,
        *,
        workers: int | None = None,
        batch: int | None = None,
        is_dead: bool = False,
    ) -> None:
        """``handle`` takes what has arrived, at most ``batch`` messages, and settles each. Only where it takes several
        at once is a lane paced, and dead letters are not.
        """
        self.queue = queue
        self.lane = lane
        self.line: Line | None = None
        self._handle = handle
        self._workers = workers or lane.workers
        self._batch = batch or lane.batch
        self._is_dead = is_dead
        self._prefetch = min(self._workers * self._batch, PREFETCH_MOST)
        self._pace = 0.0 if is_dead or self._batch == 1 else lane.pace
        self._begun_at = float("-inf")  # the last batch
        self._gathering = asyncio.Lock()  # two half batches cost more than a whole one
        self._tag: str | None = None
        self._arrived: asyncio.Queue[Delivery | None] = asyncio.Queue()  # bounded by the prefetch
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the workers; they wait."""
        self._tasks = [
            asyncio.create_task(self._work(), name=f"worker {self.queue} {number}") for number in range(self._workers)
        ]

    async def attach(self, session: "Session") -> None:
        """Consume on a fresh session, unless stopping. The channel is its own: nobody else's error closes it."""
        if self._stopping.is_set():
            return
        channel = await session.open_channel(has_confirms=False)
        line = Line(session, channel)

        async def put_down(message: "DeliveredMessage") -> None:
            self._arrived.put_nowait(self._delivery(message, line))

        await channel.basic_qos(prefetch_count=self._prefetch, timeout=CONSUME_TIMEOUT)
        consumed = await channel.basic_consume(self.queue, put_down, timeout=CONSUME_TIMEOUT)
        self._tag = consumed.consumer_tag
        self.line = line

    def is_attached(self) -> bool:
        """Whether a consumer stands, as far as known."""
        return self.line is not None and not self.line.session.is_over()

    def is_attached_to(self, session: "Session") -> bool:
        """Whether it stands on that session."""
        return self.line is not None and self.line.session is session

    async def stop(self) -> list[asyncio.Task[None]]:
        """Take no more; what was not begun goes back with the channel. Returns the workers, to be waited for."""
        self._stopping.set()
        self._arrived.put_nowait(None)
        if self.line is not None and self._tag is not None and self.is_attached():
            with contextlib.suppress(LinkLost), link_errors():
                await self.line.channel.basic_cancel(self._tag, timeout=CANCEL_TIMEOUT)
        return self._tasks

    def _delivery(self, message: "DeliveredMessage", line: Line) -> Delivery:
        before = deliveries_before(message)
        return Delivery(
            incoming=read(message, lane=self.lane.name, is_dead=self._is_dead),
            members=self._members(message),
            tag=message.delivery_tag or 0,
            line=line,
            reply_to=message.header.properties.reply_to,
            deliveries_before=before,
            goes_alone=self.lane.is_request and (before > 0 or goes_alone(message)),
            stopping=self._stopping,
        )

    def _members(self, message: "DeliveredMessage") -> Sequence[Incoming] | None:
        """A broken frame is taken for one message, which nobody can read: it becomes a dead letter."""
        try:
            return read_frame(message, lane=self.lane.name, is_dead=self._is_dead)
        except BrokenFrame:
            log.error("broken_frame", queue=self.queue)
            return None

    async def _work(self) -> None:
        while batch := await self._collect():
            try:
                await self._handle(batch)
            except Exception as error:  # noqa: BLE001 - a bug below ends neither the worker nor strands its messages
                log.error("settle_failed", queue=self.queue, error=type(error).__name__)
                batch[0].line.session.end("settling failed")

    async def _collect(self) -> list[Delivery]:
        """What there is to do; empty: stop."""
        while not self._stopping.is_set():
            async with self._gathering:
                batch = await self._gather()
            fresh = [each for each in batch if each is not None and not each.is_stale()]
            if fresh:
                return fresh
        self._arrived.put_nowait(None)  # for the next worker
        return []

    async def _gather(self) -> list[Delivery | None]:
        """Wait for one, then take along what is there already, and on a paced lane what comes until it is time."""
        batch = [await self._arrived.get()]
        with contextlib.suppress(asyncio.QueueEmpty, TimeoutError):
            while self._may_take_more(batch):
                batch.append(await self._another(len(batch)))
        self._begun_at = monotonic()
        return batch

    async def _another(self, taken: int) -> Delivery | None:
        """Raises `asyncio.QueueEmpty` or `TimeoutError` where there is none. A batch that has its part of the window
        does not wait: the broker may send no more.
        """
        left = self._begun_at + self._pace - monotonic()
        if left <= 0 or taken * self._workers >= self._prefetch or not self._arrived.empty():
            return self._arrived.get_nowait()
        async with asyncio.timeout(left):
            return await self._arrived.get()

    def _may_take_more(self, batch: Sequence[Delivery | None]) -> bool:
        last = batch[-1]
        return last is not None and not last.goes_alone and sum(len(each.parts) for each in batch if each) < self._batch
