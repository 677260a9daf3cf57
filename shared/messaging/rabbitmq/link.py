"""A connection that comes back by itself: any end of it tears everything down and builds it again.

Not the library's robust connection: that one restores with old arguments, to one host, at a fixed pace, and misses
reply consumers; a lost consumer without an error is the worst that can happen to a queue.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog

from shared.messaging.rabbitmq.session import CLOSE_TIMEOUT, LinkLost, Session, is_cancelled_by_caller, link_errors

BUILD_TIMEOUT = 30.0  # seconds to open channels, declare and consume; many quorum queues at the very first time
HEARTBEAT = 10  # seconds; the library notices a dead peer after three and a bit of them
BACKOFF_FIRST = 0.2  # seconds
BACKOFF_LAST = 10.0  # seconds
_DOUBLINGS = 8

log = structlog.get_logger()


class Link:
    """Keeps one session alive over several hosts, with full jitter between attempts."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        name: str,
        build: Callable[[Session], Awaitable[None]],
        heartbeat: int = HEARTBEAT,
    ) -> None:
        """``build`` opens the channels of a fresh session; what it raises, or a session's end, leads to the next."""
        if not urls:
            raise ValueError("a link needs a host")
        self.name = name
        self.session: Session | None = None  # built completely and not known to be over
        self._urls = random.sample(urls, len(urls))  # not everybody to the same host first
        self._build = build
        self._heartbeat = heartbeat
        self._tried = asyncio.Event()
        self._sessions = 0  # built completely, since the start
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect; again is harmless."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_alive(), name=f"link {self.name}")

    async def wait_tried(self) -> None:
        """Wait until the first attempt has ended, well or not: at most `CONNECT_TIMEOUT` + `BUILD_TIMEOUT`."""
        await self._tried.wait()

    def is_up(self) -> bool:
        """Whether there is a session that the broker reads from."""
        return self.session is not None and not self.session.is_over() and not self.session.is_blocked()

    async def close(self) -> None:
        """End the session and do not come back.

        Asked until it is so: `asyncio.wait_for` of Python 3.11, which the library uses, loses a cancellation that
        comes together with the result that it waits for.
        """
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=2 * CLOSE_TIMEOUT)

    async def _keep_alive(self) -> None:
        failures = 0
        for url in itertools.cycle(self._urls):
            failures = 0 if await self._live(url) else failures + 1
            ceiling = min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** min(failures, _DOUBLINGS))
            await asyncio.sleep(random.uniform(0, ceiling))  # noqa: S311 - jitter: clients must not come back as one

    async def _live(self, url: str) -> bool:
        """One session from connect to end; whether it was ever up."""
        session: Session | None = None
        was_up = False
        try:
            with link_errors():
                session = await Session.open(url, name=self.name, heartbeat=self._heartbeat)
                async with asyncio.timeout(BUILD_TIMEOUT):
                    await self._build(session)
            if is_cancelled_by_caller():
                raise asyncio.CancelledError  # swallowed above: see `close`
            was_up = True
            self._rise(session)
            reason = await session.wait_ended()
        except LinkLost as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a link that stops trying is an outage that nobody repairs
            reason = type(error).__name__
        finally:
            self.session = None
            self._tried.set()
            if session is not None:
                await session.close()
        log.warning("link_lost" if was_up else "link_failed", link=self.name, reason=reason)
        return was_up

    def _rise(self, session: Session) -> None:
        self.session = session
        self._sessions += 1
        self._tried.set()
        log.info("link_up", link=self.name, sessions=self._sessions)
