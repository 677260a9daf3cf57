"""Requests: an asker's side. Hands them in, and gives the replies to those who wait."""

import asyncio
import datetime as dt
from uuid import UUID

import asyncpg
import structlog

from shared.clock import host_now
from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import NoReply, Outgoing, PublishOutcome, Unavailable
from shared.messaging.postgres_lanes.loops import cancel, rest
from shared.messaging.postgres_lanes.owner import Owner
from shared.messaging.postgres_lanes.requests import hand_in_request, take_replies
from shared.messaging.topology import REQUEST_BUDGET

log = structlog.get_logger()

MOST_HANDING_IN = 1_000  # requests of a process: more would come too late; those on a lane are counted there


class NoRoom(Unavailable):
    """Too many wait already. Of the database it says nothing, so nobody needs to look after it."""


class Asker:
    """The requests of one bus that wait for their replies, by the id of their row."""

    def __init__(self, database: Database, owner: Owner, *, poll: float) -> None:
        """`poll`: seconds after which replies are looked for without being notified."""
        self._database = database
        self._owner = owner
        self._poll = poll
        self._waiting: dict[UUID, asyncio.Future[bytes]] = {}
        self._handing_in: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Replies came."""
        self._woken.set()

    async def ask(self, lane: str, message: Outgoing) -> bytes:
        """See `Bus.request`. Raises `NoRoom`, at once when too many are being handed in."""
        if message.expires_at is None:
            raise ValueError("a request needs a deadline")
        left = (message.expires_at - host_now()).total_seconds()
        if left <= 0:
            raise NoReply
        if len(self._handing_in) >= MOST_HANDING_IN:
            raise NoRoom("too many requests are waiting")
        request_id = new_id()
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = reply
        # In a task of its own: a statement to a server that vanished cannot be left at the deadline.
        task = asyncio.create_task(self._hand_in(request_id, lane, message, message.expires_at, reply))
        self._handing_in.add(task)
        task.add_done_callback(self._handing_in.discard)
        try:
            async with asyncio.timeout(left):
                return await reply
        except TimeoutError:
            raise NoReply from None
        finally:
            del self._waiting[request_id]

    async def tell(self, lane: str, message: Outgoing) -> PublishOutcome:
        """Hand in without waiting for a reply: a request that is published."""
        expires_at = message.expires_at or host_now() + REQUEST_BUDGET
        try:
            is_stored = await self._store(new_id(), lane, message, reply_to=None, expires_at=expires_at)
        except StoreUnavailable:
            return PublishOutcome.UNKNOWN
        except asyncpg.PostgresError as error:
            log.error("request_refused", lane=lane, error=error)
            return PublishOutcome.REFUSED
        return PublishOutcome.CONFIRMED if is_stored else PublishOutcome.REFUSED

    async def step(self) -> None:
        """Wait for replies and hand them over."""
        await rest(self._woken, longest=self._poll)
        self._woken.clear()
        if not self._waiting:
            return
        async with self._database.connection() as conn:
            replies = await take_replies(conn, self._owner.number)
        for request_id, body in replies:
            reply = self._waiting.get(request_id)
            if reply is not None and not reply.done():
                reply.set_result(body)

    async def close(self) -> None:
        """Nobody will take replies any more: whoever waits hears so now."""
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(NoReply())
        await cancel(*self._handing_in)

    async def _hand_in(
        self, request_id: UUID, lane: str, message: Outgoing, expires_at: dt.datetime, reply: asyncio.Future[bytes]
    ) -> None:
        """Store a request; a failure goes to who waits.

        A connection lost meanwhile may have stored it: the message id makes asking again harmless.
        """
        try:
            is_stored = await self._store(request_id, lane, message, reply_to=self._owner.number, expires_at=expires_at)
            failure: Unavailable | None = None if is_stored else NoRoom("the lane is full")
        except StoreUnavailable:
            failure = Unavailable("the database does not answer")
        except asyncpg.PostgresError as error:
            log.error("request_refused", lane=lane, error=error)
            failure = Unavailable("the database refused the request")
        if failure is not None and not reply.done():  # done: the deadline was faster
            reply.set_exception(failure)

    async def _store(
        self, request_id: UUID, lane: str, message: Outgoing, *, reply_to: int | None, expires_at: dt.datetime
    ) -> bool:
        async with self._database.connection(is_own_work=False) as conn:
            return await hand_in_request(
                conn,
                request_id,
                lane,
                message,
                reply_to=reply_to,
                expires_at=expires_at,
                left=expires_at - host_now(),  # two clocks may differ, what is left is the same by both
            )
