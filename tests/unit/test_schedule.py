"""What a service does every so often goes on, whatever happens to one turn of it."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from shared.db.connection import StoreUnavailable
from shared.schedule import Every, run_schedule

OFTEN, NEVER = dt.timedelta(milliseconds=1), dt.timedelta(days=1)


@contextlib.asynccontextmanager
async def running(table: Sequence[Every[list[str]]], deps: list[str]) -> AsyncIterator[asyncio.Task[None]]:
    """As long as the block lasts, at most for some seconds."""
    task = asyncio.create_task(run_schedule(table, deps))
    try:
        async with asyncio.timeout(30):
            yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def duty(name: str, *, done: asyncio.Event, after: int, more: int = 0) -> Callable[[list[str]], Awaitable[bool]]:
    """Notes each turn; says for the first ``more`` of them that there is more to do; ``done`` after so many."""

    async def turn(deps: list[str]) -> bool:
        deps.append(name)
        if deps.count(name) == after:
            done.set()
        return deps.count(name) <= more

    turn.__name__ = name
    return turn


async def test_a_duty_is_done_at_the_start_and_then_every_period() -> None:
    """A process that is restarted often must not put its upkeep off for ever."""
    once, often = asyncio.Event(), asyncio.Event()
    turns: list[str] = []
    table = [Every(NEVER, duty("daily", done=once, after=1)), Every(OFTEN, duty("often", done=often, after=5))]
    async with running(table, turns):
        await once.wait()
        await often.wait()
    assert turns.count("daily") == 1


async def test_while_there_is_more_to_do_it_goes_on_at_once() -> None:
    """A backlog is worked off batch by batch, not a batch a day."""
    done = asyncio.Event()
    turns: list[str] = []
    async with running([Every(NEVER, duty("purge", done=done, after=8, more=7))], turns):
        await done.wait()
    assert turns == ["purge"] * 8


async def test_a_turn_that_fails_ends_neither_its_duty_nor_the_others() -> None:
    """Its rows are still there, and come again."""
    done, other = asyncio.Event(), asyncio.Event()
    turns: list[str] = []
    well = duty("fails", done=done, after=6)

    async def fails(deps: list[str]) -> bool:
        await well(deps)
        raise StoreUnavailable if len(deps) % 2 else ValueError

    async with running([Every(OFTEN, fails), Every(OFTEN, duty("other", done=other, after=3))], turns) as task:
        await done.wait()
        await other.wait()
        assert not task.done()


async def test_its_end_is_the_end_of_every_duty() -> None:
    """A duty that went on after its service had closed the database would fail without anybody to see it."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hangs(_deps: list[str]) -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return False

    async with running([Every(NEVER, hangs)], []):
        await begun.wait()
    assert ended.is_set()
