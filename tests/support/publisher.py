"""A helpdesk's backend on the broker: what one tenant may do there, and everything that it may not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from shared.ids import new_id
from tests.support.broker_link import connected

Json = dict[str, Any]

INGRESS = "deskfactor.ingress"
_PATIENCE = 30.0  # seconds; on a machine that has much else to do


class Publisher:
    """One tenant, signed in under its own name."""

    def __init__(self, connection: AbstractConnection, username: str, queue: str) -> None:
        self.connection = connection
        self.username = username
        self.queue = queue

    @classmethod
    @contextlib.asynccontextmanager
    async def sign_in(cls, amqp_url: str, access: Json) -> AsyncIterator[Self]:
        """With what the operator's command printed. Raises what the library raises when the broker does not let it."""
        host = urlsplit(amqp_url).netloc.rpartition("@")[2]
        async with connected(f"amqp://{access['username']}:{access['password']}@{host}/") as connection:
            yield cls(connection, access["username"], access["queue"])

    @property
    def tenant_id(self) -> UUID:
        """As the name says."""
        return UUID(self.username.removeprefix("tenant."))

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """A channel that may be closed by the broker meanwhile."""
        channel = await self.connection.channel(on_return_raises=True)
        try:
            yield channel
        finally:
            with contextlib.suppress(Exception):
                await channel.close()

    async def publish(self, body: Json | bytes, *, exchange: str = INGRESS, key: str = "event", **given: Any) -> None:
        """One message, confirmed by the broker; `given` are properties, e.g. another `user_id`."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties: Json = {"user_id": self.username, "delivery_mode": 2} | given
        async with self.channel() as channel, asyncio.timeout(_PATIENCE):
            target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            await target.publish(aio_pika.Message(raw, **properties), key)

    async def read_until(self, is_it: Callable[[Json], bool]) -> list[Json]:
        """Events of the tenant's queue, taken off it, up to the one looked for."""
        seen: list[Json] = []
        async with self.channel() as channel:
            queue = await channel.get_queue(self.queue, ensure=False)
            try:
                async with asyncio.timeout(_PATIENCE), queue.iterator() as messages:
                    async for message in messages:
                        await message.ack()
                        seen.append(json.loads(message.body))
                        if is_it(seen[-1]):
                            return seen
            except TimeoutError:
                pass
        raise AssertionError(f"never came; seen: {[each['type'] for each in seen]}")


def event(kind: str, account_id: str = "ann", *, event_id: str | None = None, **data: object) -> Json:
    """A CloudEvent of a helpdesk."""
    return {
        "specversion": "1.0",
        "id": event_id or str(new_id()),
        "source": "/helpdesk",
        "type": kind,
        "subject": account_id,
        "data": data,
    }
