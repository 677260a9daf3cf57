"""What came in, and waiting for it."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

A = TypeVar("A")


class Arrivals(Generic[A]):
    """The latest ``limit`` things that came in, oldest first."""

    def __init__(self, limit: int = 10_000) -> None:
        self.all: list[A] = []
        self._limit = limit
        self._changed = asyncio.Condition()

    async def add(self, arrival: A) -> None:
        """Keep one and wake who waits."""
        async with self._changed:
            self.all.append(arrival)
            del self.all[: -self._limit]
            self._changed.notify_all()

    async def wait_for(self, predicate: Callable[[A], bool], timeout: float) -> A:
        """The first that satisfies ``predicate``, come or still to come; `TimeoutError` after so many seconds."""
        async with asyncio.timeout(timeout), self._changed:
            while True:
                for each in self.all:
                    if predicate(each):
                        return each
                await self._changed.wait()
