"""A handler that writes down what it gets, and the waiting that goes with it."""

import asyncio
from collections.abc import Callable, Sequence

from shared.clock import monotonic
from shared.messaging.bus import Ack, Disposition, Incoming

PATIENCE = 30.0  # seconds; a test fails after them, it never waits them out otherwise
_POLL = 0.02  # seconds


class Receiver:
    """Takes part in a bus as its `receive`; every message goes into `messages`, every batch's size into `sizes`."""

    def __init__(self, dispose: Callable[[Incoming], Disposition] | None = None) -> None:
        """``dispose`` decides what is answered; without it everything is done at once."""
        self.messages: list[Incoming] = []
        self.sizes: list[int] = []
        self._dispose = dispose or (lambda _: Ack())
        self._news = asyncio.Condition()

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """`shared.messaging.bus.Receive`."""
        self.sizes.append(len(batch))
        self.messages.extend(batch)
        async with self._news:
            self._news.notify_all()
        return [self._dispose(each) for each in batch]

    @property
    def bodies(self) -> list[bytes]:
        """What was in the messages, in the order of their coming."""
        return [each.body for each in self.messages]

    async def wait_for(self, count: int, *, within: float = PATIENCE) -> list[Incoming]:
        """Wait until ``count`` messages have come. Raises `TimeoutError`."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: len(self.messages) >= count)
        return self.messages


async def eventually(is_so: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Poll until it is so; for what gives no signal. Raises `AssertionError`."""
    deadline = monotonic() + within
    while not is_so():
        assert monotonic() < deadline, "it never came to be so"
        await asyncio.sleep(_POLL)
