"""`PostgresLanes`: the parts put together, and publishing."""

import asyncio
import contextlib
import datetime as dt
import functools
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import asyncpg
import structlog

from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome, Receive, Unavailable
from shared.messaging.postgres_lanes.asker import Asker, NoRoom
from shared.messaging.postgres_lanes.bell import Bell
from shared.messaging.postgres_lanes.janitor import Janitor
from shared.messaging.postgres_lanes.listener import Listener, lane_channel, replies_channel
from shared.messaging.postgres_lanes.loops import cancel, repeat
from shared.messaging.postgres_lanes.messages import DeadLetters, Suspects, Work, insert_lane_messages
from shared.messaging.postgres_lanes.owner import Owner
from shared.messaging.postgres_lanes.puller import Puller
from shared.messaging.postgres_lanes.requests import Requests
from shared.messaging.postgres_lanes.source import Source, Terms
from shared.messaging.topology import LANES, RETRY_DELAYS, Lane, matches

log = structlog.get_logger()

POLL = dt.timedelta(seconds=1)
LEASE = dt.timedelta(seconds=60)
GRACE = dt.timedelta(seconds=25)
FIRST_SESSION_WITHIN = 3.0  # seconds that entering waits to know whether the database is there
KNOWN_KEYS = 1_000  # routing keys whose lanes are kept in memory


class PostgresLanes:
    """A `Bus` over one PostgreSQL. Entering it never fails: without a database it is down, and comes up with it."""

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        lanes: Sequence[Lane] = LANES,
        retry_delays: Sequence[dt.timedelta] = RETRY_DELAYS,
        poll: dt.timedelta = POLL,
        lease: dt.timedelta = LEASE,
        grace: dt.timedelta = GRACE,
    ) -> None:
        """`name` shows whose process it is; `poll` is how late a message comes whose notification was lost; `lease` is
        how long a process may be frozen before others take its messages. One that dies loses them within a poll.
        `grace` is for the work in hand when the consumers stop; what takes longer is given back.
        """
        self._database = database
        self._lanes = tuple(lanes)
        self._poll = poll.total_seconds()
        self._lease = lease.total_seconds()
        self._grace = grace.total_seconds()
        self._owner = Owner(name)
        self._terms = Terms(database=database, owner=self._owner, lease=lease, retry_delays=tuple(retry_delays))
        self._listener = Listener(database, self._owner)
        self._asker = Asker(database, self._owner, poll=self._poll)
        self._bell = Bell(database)
        self._janitor = Janitor(database, self._owner, every=self._poll)
        self._pullers: list[Puller] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._is_open = False
        self._lanes_of = functools.lru_cache(KNOWN_KEYS)(self._find_lanes)

    async def __aenter__(self) -> Self:
        self._listener.on(replies_channel(self._owner.number), self._asker.wake)
        self._tasks = [
            asyncio.create_task(self._listener.run()),
            asyncio.create_task(repeat(self._asker.step, pause=self._poll)),
            asyncio.create_task(repeat(self._bell.step, pause=self._poll)),
            asyncio.create_task(repeat(self._janitor.step, pause=self._poll)),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SESSION_WITHIN):
                await self._listener.has_tried.wait()
        self._is_open = True
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop_consuming()
        self._is_open = False
        await self._asker.close()
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError):  # then others find out by themselves
            await self._janitor.leave()
        await cancel(*self._tasks)

    async def publish(self, batch: Sequence[Outgoing]) -> list[PublishOutcome]:
        """See `Bus`. One statement for the whole batch."""
        routed = [(message, self._lanes_of(message.exchange, message.routing_key)) for message in batch]
        rows = [(lane.name, message) for message, lanes in routed for lane in lanes if not lane.is_request]
        stored = await self._store(rows)
        if stored is PublishOutcome.REFUSED and len(batch) > 1:
            # One row that the database will never take must not hold up its neighbours.
            return [outcome for message in batch for outcome in await self.publish([message])]
        outcomes: list[PublishOutcome] = []
        for message, lanes in routed:
            if any(lane.is_request for lane in lanes):
                outcomes.append(await self._asker.tell(message.routing_key, message))
            else:
                outcomes.append(stored if lanes else PublishOutcome.UNROUTABLE)
        return outcomes

    def destination(self, exchange: Exchange, routing_key: str) -> str:
        """See `Bus`. One table takes all; but facts wait to become many, and no command waits with them."""
        del routing_key
        return f"bus.lane_messages {exchange}"

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        """See `Bus`."""
        if not self.is_up():
            raise Unavailable("the database does not answer")
        try:
            return await self._asker.ask(lane, outgoing)
        except NoRoom:
            raise
        except Unavailable:
            self._listener.look()
            raise

    async def consume(self, lane: Lane, receive: Receive) -> None:
        """See `Bus`."""
        if lane.is_request:
            requests = Requests(lane.name, self._terms)
            puller = self._start(requests, receive, workers=lane.workers, batch=lane.batch)
        else:
            work = Work(lane.name, self._terms)
            puller = self._start(work, receive, workers=lane.workers, batch=lane.batch, pace=lane.pace)
            self._start(Suspects(lane.name, self._terms), receive, workers=1, batch=1)
        self._listener.on(lane_channel(lane.name), puller.wake)

    async def consume_dead(self, lanes: Sequence[Lane], receive: Receive) -> None:
        """See `Bus`."""
        dead = DeadLetters([lane.name for lane in lanes], self._terms)
        self._start(dead, receive, workers=1, batch=min(lane.batch for lane in lanes))

    async def stop_consuming(self) -> None:
        """See `Bus`."""
        pullers, self._pullers = self._pullers, []
        await asyncio.gather(*(puller.close(grace=self._grace) for puller in pullers))

    def is_up(self) -> bool:
        """See `Bus`: the listener's session lives."""
        return self._is_open and self._listener.is_up

    def is_consuming(self) -> bool:
        """See `Bus.is_consuming`: the workers poll, whoever listens."""
        return self.is_up()

    def _start(self, source: Source, receive: Receive, *, workers: int, batch: int, pace: float = 0.0) -> Puller:
        puller = Puller(source, receive, workers=workers, batch=batch, pace=pace, poll=self._poll, lease=self._lease)
        puller.start()
        self._pullers.append(puller)
        return puller

    async def _store(self, rows: Sequence[tuple[str, Outgoing]]) -> PublishOutcome:
        if not rows:
            return PublishOutcome.CONFIRMED
        try:
            async with self._database.connection() as conn:
                await insert_lane_messages(conn, rows)
        except StoreUnavailable:
            self._listener.look()
            return PublishOutcome.UNKNOWN
        except asyncpg.PostgresError as error:
            log.error("messages_refused", count=len(rows), error=error)
            return PublishOutcome.REFUSED
        self._bell.ring({lane for lane, _ in rows})
        return PublishOutcome.CONFIRMED

    def _find_lanes(self, exchange: Exchange, routing_key: str) -> tuple[Lane, ...]:
        match exchange:
            case Exchange.COMMANDS:
                return tuple(lane for lane in self._lanes if lane.name == routing_key)
            case Exchange.EVENTS:
                return tuple(
                    lane for lane in self._lanes if any(matches(pattern, routing_key) for pattern in lane.binds)
                )
