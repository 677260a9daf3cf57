"""`Bus` over RabbitMQ."""

import asyncio
import datetime as dt
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import structlog

from shared.messaging.bus import Exchange, Outgoing, PublishOutcome, Receive
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.declare import ensure
from shared.messaging.rabbitmq.feed import Feed
from shared.messaging.rabbitmq.handling import DeadHandling, WorkHandling
from shared.messaging.rabbitmq.link import HEARTBEAT, Link
from shared.messaging.rabbitmq.packing import Packing, worst
from shared.messaging.rabbitmq.parts import all_parts, exchange_parts
from shared.messaging.rabbitmq.requester import Requester
from shared.messaging.rabbitmq.requests import RequestHandling
from shared.messaging.rabbitmq.sender import Sender
from shared.messaging.rabbitmq.session import LinkLost, link_errors
from shared.messaging.topology import LANES, RETRY_DELAYS, Lane, matches

if TYPE_CHECKING:
    from types import TracebackType

    from shared.messaging.rabbitmq.session import Session

DRAIN_TIMEOUT = 25.0  # seconds for work in hand at the end; an orchestrator kills after 30
CANCEL_TIMEOUT = 2.0  # seconds for a handler that did not end to roll back
KNOWN_KEYS = 1_000  # routing keys whose destinations are kept in memory

log = structlog.get_logger()


class RabbitBus:
    """Links to send commands, to send events, to request and to consume.

    An alarm that stops publishers must not stop consumers. And a broker stops reading from a connection of which some
    hundred messages wait for a queue without a leader: events all go to the audit log's queue, commands to others.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str,
        lanes: Sequence[Lane] = LANES,
        retry_delays: Sequence[dt.timedelta] = RETRY_DELAYS,
    ) -> None:
        """``urls``: the hosts of one broker; ``name``: this process, as the broker shows it."""
        self._lanes = tuple(lanes)
        self._parts = tuple(all_parts(lanes, retry_delays))
        self._packing = Packing(lanes)
        self._retry_delays = tuple(retry_delays)
        self._commands = Sender(urls, name=f"{name} commands", needs=self._parts, heartbeat=HEARTBEAT)
        self._events = Sender(urls, name=f"{name} events", needs=self._parts, heartbeat=HEARTBEAT)
        self._requester = Requester(
            urls, name=f"{name} request", needs=tuple(exchange_parts(retry_delays)), lanes=self._lanes
        )
        self._consuming = Link(urls, name=f"{name} consume", build=self._attach_all, heartbeat=HEARTBEAT)
        self._feeds: list[Feed] = []
        self._attaching = asyncio.Lock()
        self._destination_of = functools.lru_cache(KNOWN_KEYS)(self._find_destination)

    async def __aenter__(self) -> Self:
        """Start to connect, and wait until the first attempt has ended. A broker that is down is no error here."""
        for link in self._sending:
            link.start()
        await asyncio.gather(*(link.wait_tried() for link in self._sending))
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: "TracebackType | None"
    ) -> None:
        try:
            await self.stop_consuming()
        finally:
            await asyncio.gather(self._commands.link.close(), self._events.link.close(), self._requester.close())

    async def publish(self, batch: Sequence[Outgoing]) -> list[PublishOutcome]:
        """See `Bus.publish`. With its link down or blocked a message is `REFUSED` at once."""
        consignments = self._packing.consign(batch)
        outcomes = await asyncio.gather(*(self._sender_of(each.exchange).send(each.parcel) for each in consignments))
        of_each: list[list[PublishOutcome]] = [[] for _ in batch]
        for consignment, outcome in zip(consignments, outcomes, strict=True):
            for place in consignment.places:
                of_each[place].append(outcome)
        return [worst(each) for each in of_each]

    def destination(self, exchange: Exchange, routing_key: str) -> str:
        """See `Bus`. The lanes that take it: the broker confirms when the queues of all of them have it."""
        return self._destination_of(exchange, routing_key)

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        """See `Bus.request`."""
        return await self._requester.request(lane, outgoing)

    async def consume(self, lane: Lane, receive: Receive) -> None:
        """See `Bus.consume`. Waits for the first attempt to connect, no longer."""
        if lane.is_request:  # answered on the link that asks: events to a stuck queue hold the other one's channel up
            await self._add(
                Feed(names.queue_of(lane), lane, RequestHandling(lane, receive, self._requester.sender).handle)
            )
            return
        work = WorkHandling(lane, receive, self._commands, self._retry_delays)
        await self._add(Feed(names.queue_of(lane), lane, work.handle))
        await self._add(Feed(names.solo_queue_of(lane), lane, work.handle_alone, workers=1, batch=1))

    async def consume_dead(self, lanes: Sequence[Lane], receive: Receive) -> None:
        """See `Bus.consume_dead`."""
        most = min(lane.batch for lane in lanes)
        handle = DeadHandling(receive, pause=self._retry_delays[0], most=most).handle
        for lane in lanes:
            await self._add(Feed(names.dead_queue_of(lane), lane, handle, workers=1, is_dead=True))

    async def stop_consuming(self) -> None:
        """See `Bus.stop_consuming`. What was fetched and not begun goes back to its queues."""
        stopped = await asyncio.gather(*(feed.stop() for feed in self._feeds))
        workers = {worker for each in stopped for worker in each}
        try:
            if workers:
                await _finish(workers)
        finally:
            await self._consuming.close()

    def is_up(self) -> bool:
        """Whether the links for commands and requests stand and are not blocked. Events can wait in the outbox."""
        return self._commands.link.is_up() and self._requester.link.is_up()

    def is_consuming(self) -> bool:
        """Whether every feed has its consumer; true without any."""
        return not self._feeds or (self._consuming.is_up() and all(feed.is_attached() for feed in self._feeds))

    @property
    def _sending(self) -> tuple[Link, Link, Link]:
        return self._commands.link, self._events.link, self._requester.link

    def _sender_of(self, exchange: Exchange) -> Sender:
        match exchange:
            case Exchange.COMMANDS:
                return self._commands
            case Exchange.EVENTS:
                return self._events

    def _find_destination(self, exchange: Exchange, routing_key: str) -> str:
        match exchange:
            case Exchange.COMMANDS:
                return routing_key
            case Exchange.EVENTS:
                takers = (
                    lane.name for lane in self._lanes if any(matches(pattern, routing_key) for pattern in lane.binds)
                )
                return f"{exchange} {' '.join(sorted(takers))}"

    async def _add(self, feed: Feed) -> None:
        if feed.lane not in self._lanes:
            raise ValueError(f"{feed.lane.name} is not in this bus's table of lanes")
        feed.start()
        self._feeds.append(feed)
        self._consuming.start()
        await self._consuming.wait_tried()
        session = self._consuming.session  # with none, the link is building the next, and finds the feed in the list
        if session is not None:
            await self._attach_late(feed, session)

    async def _attach_all(self, session: "Session") -> None:
        await ensure(session, self._parts)
        for feed in self._feeds:
            await self._attach(feed, session)

    async def _attach_late(self, feed: Feed, session: "Session") -> None:
        try:
            with link_errors():
                await self._attach(feed, session)
        except LinkLost as error:
            session.end(str(error))  # the next session attaches all

    async def _attach(self, feed: Feed, session: "Session") -> None:
        async with self._attaching:
            if not feed.is_attached_to(session):
                await feed.attach(session)


async def _finish(workers: set[asyncio.Task[None]]) -> None:
    _, late = await asyncio.wait(workers, timeout=DRAIN_TIMEOUT)
    for worker in late:
        worker.cancel()
    if late:
        log.error("bus_not_drained", workers=len(late))
        await asyncio.wait(late, timeout=CANCEL_TIMEOUT)
