"""The session that hears of messages and replies, and whose life is this process's sign of life."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

import structlog

from shared.db.connection import StoreUnavailable, store_errors
from shared.db.pool import Database
from shared.messaging.postgres_lanes.loops import rest
from shared.messaging.postgres_lanes.owner import Owner

if TYPE_CHECKING:
    import asyncpg

log = structlog.get_logger()

PING_EVERY = 5.0  # seconds: a session whose peer vanished without a word is never noticed otherwise
PING_TIMEOUT = 2.0  # seconds
CLOSE_TIMEOUT = 1.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts to connect; doubled each time, jittered

Call = Callable[[], None]


def lane_channel(lane: str) -> str:
    """Notified when messages came to a lane."""
    return f"deskfactor.lane.{lane}"


def replies_channel(asker: int) -> str:
    """Notified when replies to an asker came."""
    return f"deskfactor.replies.{asker}"


class Listener:
    """One session outside of the pool, connected again whenever it is lost."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self._database = database
        self._owner = owner
        self._calls: defaultdict[str, list[Call]] = defaultdict(list)
        self._heard: set[str] = set()  # channels that the present session listens to
        self._look = asyncio.Event()
        self._was_up = False
        self.is_up = False
        self.has_tried = asyncio.Event()

    def on(self, channel: str, call: Call) -> None:
        """Call back on every notification of `channel`, and after a gap in which one may have been missed."""
        self._calls[channel].append(call)
        self._look.set()

    def look(self) -> None:
        """Somebody had trouble with the database: find out now whether it is there."""
        self._look.set()

    async def run(self) -> NoReturn:
        """Hold a session until cancelled; every end of one is followed by the next."""
        pauses = _pauses()
        while True:
            try:
                await self._session()
            except StoreUnavailable as error:
                self._down(error)
            except Exception as error:  # noqa: BLE001  a bus that stops trying is an outage that nobody repairs
                log.error("lanes_session_failed", name=self._owner.name, error=error)
                self._down(error)
            pauses = _pauses() if self._was_up else pauses
            self._was_up = False
            await asyncio.sleep(next(pauses))

    async def _session(self) -> NoReturn:
        connection = await self._database.dedicated()
        self._heard.clear()
        try:
            connection.add_termination_listener(lambda _connection: self._look.set())
            while True:
                self._look.clear()
                with store_errors():
                    await self._refresh(connection)
                self._up()
                await rest(self._look, longest=PING_EVERY)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreUnavailable), store_errors():
                await connection.close(timeout=CLOSE_TIMEOUT)
            raise
        finally:
            connection.terminate()

    async def _refresh(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute("SELECT", timeout=PING_TIMEOUT)
        for channel in self._calls.keys() - self._heard:
            await connection.add_listener(channel, self._notified)
            self._heard.add(channel)
            for call in self._calls[channel]:  # what came before we listened
                call()
        if not self._owner.is_alive:
            self._owner.is_alive = await connection.fetchval(
                "SELECT bus.own_leases($1, $2)", self._owner.number, self._owner.name, timeout=PING_TIMEOUT
            )

    def _notified(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        for call in self._calls[channel]:
            call()

    def _up(self) -> None:
        if not self.is_up:
            log.info("lanes_up", name=self._owner.name)
        self.is_up = self._was_up = True
        self.has_tried.set()

    def _down(self, error: Exception) -> None:
        if self.is_up or not self.has_tried.is_set():
            log.warning("lanes_down", name=self._owner.name, error=error)
        self.is_up = self._owner.is_alive = False
        self.has_tried.set()


def _pauses() -> Iterator[float]:
    """Seconds between attempts: growing, and spread, so that a hundred processes do not come back as one."""
    longest = _FIRST_PAUSE
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311  no secret
        longest = min(2 * longest, _LONGEST_PAUSE)
