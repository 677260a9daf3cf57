"""One connection from its opening to its end. It is never repaired: `Link` makes another."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import aio_pika
from aiormq.exceptions import AMQPError
from yarl import URL

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection
    from aiormq.abc import AbstractChannel as Channel
    from aiormq.abc import AbstractConnection as Wire

CONNECT_TIMEOUT = 5.0  # seconds; a host that accepts and says nothing must not hold up the next one
CLOSE_TIMEOUT = 2.0  # seconds; a peer that is gone does not answer the farewell


class LinkLost(ConnectionError):
    """The connection, or a channel of it, is of no more use. The text says why, and holds no address."""


@contextlib.contextmanager
def link_errors() -> Iterator[None]:
    """Turn whatever the library raises when a link breaks into `LinkLost`."""
    try:
        yield
    except asyncio.CancelledError as error:
        if is_cancelled_by_caller():
            raise
        raise LinkLost("cancelled by the library") from error
    except (AMQPError, TimeoutError, OSError, RuntimeError) as error:
        raise LinkLost(type(error).__name__) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise LinkLost("ended by the library") from error  # with that, what waits for a channel closed without a reason


def is_cancelled_by_caller() -> bool:
    """Whether a `CancelledError` is meant for this task.

    The library ends waiting calls with that error when a connection breaks; taken for a cancellation it would end the
    task without a trace.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Session:
    """A connection and its channels. The end of any of them, or of any consumer, is the end of the session."""

    def __init__(self, connection: "AbstractConnection") -> None:
        if connection.transport is None:
            raise ConnectionError("lost before it was used")
        self._connection = connection
        self._wire: Wire = connection.transport.connection
        self._channels: list[AbstractChannel] = []
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._wire.closing.add_done_callback(lambda _: self.end("connection closed"))

    @classmethod
    async def open(cls, url: str, **options: str | int) -> "Session":
        """Connect within `CONNECT_TIMEOUT`; ``options`` are the library's, ``name`` and ``heartbeat`` among them.

        A connection that does not come about is closed all the same. The library would do it when the object is
        collected, in whichever thread that happens: where there is no loop, a coroutine is never awaited.
        """
        connection = aio_pika.Connection(URL(url).update_query(options))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection.connect(timeout=CONNECT_TIMEOUT)
            return cls(connection)
        except BaseException:
            await connection.close()
            raise

    async def open_channel(self, *, has_confirms: bool) -> "Channel":
        """A channel whose end ends the session. With confirms, an unroutable message raises at its publisher."""
        channel = self._connection.channel(publisher_confirms=has_confirms, on_return_raises=has_confirms)
        self._channels.append(channel)  # the library drops a channel that nobody holds
        await channel.initialize()
        raw = await channel.get_underlay_channel()
        raw.closing.add_done_callback(lambda _: self.end("channel closed"))
        raw.on_consumer_cancel_callbacks.add(self._consumer_cancelled)
        return raw

    async def open_scratch_channel(self) -> "Channel":
        """A channel that may break without harm, to ask the broker what it will not forgive. The caller closes it."""
        return await self._wire.channel(publisher_confirms=False)

    def end(self, reason: str) -> None:
        """Give the session up; the first reason stands."""
        if not self._ended.done():
            self._ended.set_result(reason)

    @property
    def ended(self) -> "asyncio.Future[str]":
        """Done when the session is over; to be looked at and waited on."""
        return self._ended

    async def wait_ended(self) -> str:
        """Wait for the end, and say why it came."""
        return await asyncio.shield(self._ended)

    def is_over(self) -> bool:
        """Whether nothing more can be done on this session."""
        return self._ended.done()

    def is_blocked(self) -> bool:
        """Whether the broker has said ``connection.blocked`` (RabbitMQ: memory or disk alarm).

        The library keeps that to itself but for `ready()`, which waits while blocked: one step of it tells.
        """
        step = self._wire.ready()
        try:
            step.send(None)
        except StopIteration:
            return False
        step.close()
        return True

    async def close(self) -> None:
        """Say farewell, within `CLOSE_TIMEOUT`. Never raises but for the caller's own cancellation."""
        self.end("closed here")
        farewell = asyncio.ensure_future(self._connection.close())
        _, late = await asyncio.wait({farewell}, timeout=CLOSE_TIMEOUT)
        if late:
            farewell.cancel()
            await asyncio.wait(late, timeout=CLOSE_TIMEOUT)
        if farewell.done() and not farewell.cancelled():
            farewell.exception()  # retrieved: how a farewell failed is nobody's concern
        await self._connection.close()  # a farewell that failed leaves it open in the library's eyes: see `open`

    def _consumer_cancelled(self, _frame: object) -> None:
        self.end("consumer cancelled by the broker")
