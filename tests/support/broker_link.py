"""A plain connection to RabbitMQ, for what tests do there beside our own bus."""

import contextlib
from collections.abc import AsyncIterator

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL


@contextlib.asynccontextmanager
async def connected(amqp_url: str) -> AsyncIterator[AbstractConnection]:
    """Connect; closed at the end, also where the broker refused. Raises what the library raises.

    `aio_pika.connect` leaves one that was refused to the collector, which in a thread that has no loop complains of a
    coroutine never awaited, in whichever test is running by then.
    """
    connection = aio_pika.Connection(URL(amqp_url))
    try:
        await connection.connect()
        yield connection
    finally:
        await connection.close()
