"""Ctrl-C and SIGTERM, at any moment of what runs on a server of its own: all is stopped in order, nothing is left."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from services.cli.development import PrivateDatabase

INTERRUPTED = 130  # the exit status that shells give for Ctrl-C

T = TypeVar("T")

Play = Callable[[PrivateDatabase, asyncio.Event], Coroutine[Any, Any, int]]


class Interrupted(Exception):
    """Somebody wants it to end before its time."""


def run_on(opened: AbstractContextManager[PrivateDatabase], play: Play) -> int:
    """Open a database and play on it; its exit status, or `INTERRUPTED`. ``play`` is given what a signal sets."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # for as long as there is no loop
    try:
        with opened as database, asyncio.Runner() as runner:
            return runner.run(_with_signals(play, database))
    except (Interrupted, KeyboardInterrupt):
        return INTERRUPTED


async def unless(stop: asyncio.Event, work: Awaitable[T]) -> T:
    """Do it, but not longer than until ``stop``. Raises `Interrupted`."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Interrupted
        return doing.result()
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


async def _with_signals(play: Play, database: PrivateDatabase) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await play(database, stop)
