"""A closed loop: so many requests in flight, the next as soon as one is answered; every answer is checked."""

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from shared.clock import monotonic
from tests.bench.wire import Connection

Operation = Callable[[Connection], Awaitable[None]]
"""One operation on one connection; raises where an answer is not right."""


@dataclass(slots=True)
class Samples:
    """What a run gave: seconds of each operation, and of all."""

    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0

    def add(self, turn: "Samples") -> None:
        """Those of another turn."""
        self.seconds += turn.seconds
        self.elapsed += turn.elapsed

    @property
    def rate(self) -> float:
        """Operations a second."""
        return len(self.seconds) / self.elapsed

    def percentile(self, hundredth: int) -> float:
        """Milliseconds that so many of a hundred operations took at most."""
        if len(self.seconds) == 1:
            return self.seconds[0] * 1000
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[hundredth - 1] * 1000


async def drive(urls: Sequence[str], operations: Iterable[Operation], *, in_flight: int) -> Samples:
    """Do all of them, each connection with one of the servers. Raises what an operation raises: a wrong answer makes
    the figures worthless.
    """
    supply = iter(operations)
    samples = Samples()

    async def one_after_another(connection: Connection) -> None:
        for operation in supply:
            started = monotonic()
            await operation(connection)
            samples.seconds.append(monotonic() - started)

    connections = [await Connection.open(urls[number % len(urls)]) for number in range(in_flight)]
    started = monotonic()
    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(one_after_another(connection))
    finally:
        samples.elapsed = monotonic() - started
        for connection in connections:
            connection.close()
    return samples


@contextlib.asynccontextmanager
async def alongside(urls: Sequence[str], operations: Iterable[Operation], *, in_flight: int) -> AsyncIterator[Samples]:
    """Do one after the other until the block ends; then the samples are whole. Raises what an operation raises."""
    is_over = asyncio.Event()
    samples = Samples()

    async def all_of_them() -> None:
        made = await drive(urls, itertools.takewhile(lambda _: not is_over.is_set(), operations), in_flight=in_flight)
        samples.seconds, samples.elapsed = made.seconds, made.elapsed

    doing = asyncio.create_task(all_of_them())
    try:
        yield samples
    finally:
        is_over.set()
        await doing
