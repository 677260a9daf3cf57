"""Waiting in tests: for a state, with a deadline; never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30.0  # seconds; on a machine that has much else to do
_POLL = 0.02  # seconds


async def eventually(probe: Callable[[], Awaitable[T]], is_so: Callable[[T], bool], *, within: float = PATIENCE) -> T:
    """Ask again until it is so; what was seen then. Raises `AssertionError` with what was seen last."""
    seen: list[T] = []
    try:
        async with asyncio.timeout(within):
            while not is_so(answer := await probe()):
                seen = [answer]
                await asyncio.sleep(_POLL)
            return answer
    except TimeoutError:
        raise AssertionError(f"never so within {within} s; last seen: {seen}") from None
