"""How the background work of a bus goes on for ever."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from shared.db.connection import StoreUnavailable

log = structlog.get_logger()


async def repeat(step: Callable[[], Awaitable[None]], *, pause: float) -> NoReturn:
    """Take `step` again and again until cancelled; after a failure wait for `pause` seconds.

    Nothing ends the loop: a lane whose workers quietly stopped is an outage that nobody sees. A database that is away
    is reported once, by the listener, not by every loop.
    """
    while True:
        try:
            await step()
        except StoreUnavailable:
            await asyncio.sleep(pause)
        except Exception as error:  # noqa: BLE001  see above
            log.error("lane_step_failed", step=step.__qualname__, error=error)
            await asyncio.sleep(pause)


async def rest(woken: asyncio.Event, *, longest: float) -> None:
    """Wait to be woken, for at most `longest` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest):
            await woken.wait()


async def cancel(*tasks: asyncio.Task[None]) -> None:
    """Cancel and wait until all are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
