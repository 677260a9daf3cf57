"""Workers that are killed, with real processes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from shared.messaging.bus import Disposition, Incoming, PublishOutcome
from shared.messaging.topology import Lane
from tests.support.receiver import Receiver
from tests.support.transports import Transport, command, new_lane

_ROOT = Path(__file__).parents[2]
_STARTED_WITHIN = 60.0  # seconds; a loaded machine is slow to start a process


@asynccontextmanager
async def _stuck_worker(transport: Transport, lane: Lane) -> AsyncIterator[set[UUID]]:
    """A process that has taken messages, whose ids are yielded; killed with SIGKILL at the end."""
    process = await asyncio.create_subprocess_exec(
        *transport.stuck_worker(lane),
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
        cwd=_ROOT,
        env={"PYTHONPATH": str(_ROOT)},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_STARTED_WITHIN):
            line = ""
            while not line.startswith("took "):  # log lines come before it
                line = (await process.stdout.readline()).decode()
                assert line, "it ended"
        yield {UUID(word) for word in line.split()[1:]}
    finally:
        process.kill()
        await process.wait()


async def test_message_of_a_killed_worker_is_delivered_again(transport: Transport) -> None:
    """The work that a dead process had in hand must not die with it."""
    lane, receiver = new_lane(), Receiver()
    async with transport.bus(lane) as bus:
        sent = command(lane, b"body")
        assert await bus.publish([sent]) == [PublishOutcome.CONFIRMED]
        async with _stuck_worker(transport, lane) as taken:
            assert taken == {sent.message_id}
        await bus.consume(lane, receiver.receive)
        [got] = await receiver.wait_for(1)
    assert (got.message_id, got.body, got.attempt) == (sent.message_id, b"body", 0)


async def test_batch_of_a_killed_worker_is_delivered_again(transport: Transport) -> None:
    """All of a batch, and each message once: the others' work must not be lost for one that kills."""
    lane, receiver = new_lane(batch=16), Receiver()
    async with transport.bus(lane) as bus:
        sent = [command(lane) for _ in range(20)]
        assert await bus.publish(sent) == [PublishOutcome.CONFIRMED] * 20
        async with _stuck_worker(transport, lane):
            pass
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(20)
    assert sorted(got.message_id for got in receiver.messages) == sorted(each.message_id for each in sent)


async def test_message_that_keeps_killing_is_tried_alone(transport: Transport) -> None:
    """After three deaths it may be the killer: next time it must take no neighbours down with it."""
    lane, receiver = new_lane(batch=16), Receiver()
    async with transport.bus(lane) as bus:
        killer = command(lane, b"killer")
        await bus.publish([killer])
        for _ in range(3):
            async with _stuck_worker(transport, lane) as taken:
                assert taken == {killer.message_id}
        others = [command(lane) for _ in range(15)]
        await bus.publish(others)
        alone: list[int] = []

        async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
            if killer.message_id in {each.message_id for each in batch}:
                alone.append(len(batch))
            return await receiver.receive(batch)

        await bus.consume(lane, receive)
        await receiver.wait_for(16)
    assert alone == [1]
