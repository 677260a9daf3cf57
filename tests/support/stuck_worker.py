"""Takes a message from a lane, says so on standard output and never ends: for tests that kill it in mid-work."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from shared.messaging.bus import Bus, Disposition, Incoming
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.topology import Lane
from tests.support.lanes_transport import lanes_bus


def make_bus(transport: str, address: str, lane: Lane) -> AbstractAsyncContextManager[Bus]:
    """The bus named on the command line."""
    match transport:
        case "rabbitmq":
            return RabbitBus([address], name="stuck worker", lanes=[lane])
        case "postgres":
            return lanes_bus(address, lane, name="stuck worker")
        case _:
            raise ValueError(transport)


async def never_done(batch: Sequence[Incoming]) -> list[Disposition]:
    """Announce what came, and hang."""
    sys.stdout.write(f"took {' '.join(str(each.message_id) for each in batch)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return []


async def main(transport: str, address: str, lane: str) -> None:
    """Consume until killed."""
    fields = json.loads(lane)
    its_lane = Lane(**fields | {"binds": tuple(fields["binds"])})
    async with make_bus(transport, address, its_lane) as bus:
        await bus.consume(its_lane, never_done)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
