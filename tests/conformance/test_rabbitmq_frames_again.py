"""Frames that come again, because a worker or a link ended, or a process was replaced: on RabbitMQ."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.messaging.bus import Disposition, Incoming, PublishOutcome, Retry
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.topology import Lane
from tests.support.asking import Gate
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import Receiver
from tests.support.transports import FAST, RabbitTransport, command, new_lane

MANY = [b"%02d" % number for number in range(30)]


@pytest.fixture
def transport(rabbit: Rabbit) -> RabbitTransport:
    """The one whose messages travel in frames."""
    return RabbitTransport(rabbit)


async def test_frames_that_come_again_are_each_done_by_itself(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """A link that is lost gives back frames that nobody began: one by one their messages would hold the lane up."""
    lane, receiver = new_lane(batch=64), Receiver()
    async with transport.bus(lane) as bus:
        for _ in range(2):
            await bus.publish([command(lane, body) for body in MANY])
        await _take_and_end(rabbit, replace(lane, workers=2), 2 * len(MANY))
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(2 * len(MANY))
    assert receiver.sizes == [len(MANY)] * 2


async def test_frame_that_comes_a_third_time_is_done_one_by_one(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """One of them may be what ended its worker: those before it are done, whatever becomes of it."""
    lane, receiver = new_lane(batch=64), Receiver()
    async with transport.bus(lane) as bus:
        sent = [command(lane, body) for body in MANY]
        assert await bus.publish(sent) == [PublishOutcome.CONFIRMED] * len(sent)
        for _ in range(2):
            await _take_and_end(rabbit, lane, len(sent))
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(len(sent))
    assert receiver.sizes == [1] * len(sent)
    assert [got.message_id for got in receiver.messages] == [each.message_id for each in sent]


async def test_frame_done_one_by_one_is_left_when_its_link_is_lost(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """It comes again: two workers of one frame are in each other's way."""
    lane, receiver, handled_by = new_lane(batch=64), Receiver(), Counter[str]()
    gate = Gate(receiver.receive)

    async def receive(batch: Sequence[Incoming]) -> Sequence[Disposition]:
        said = await gate.receive(batch)
        task = asyncio.current_task()
        assert task
        handled_by[task.get_name()] += len(batch)
        return said

    async with RabbitBus(rabbit.urls, name="test", lanes=[lane], retry_delays=FAST) as bus:
        sent = [command(lane, body) for body in [b"hangs", *MANY]]
        await bus.publish(sent)
        for _ in range(2):
            await _take_and_end(rabbit, lane, len(sent))
        await bus.consume(lane, receive)
        await gate.begun.wait()
        assert bus._consuming.session
        bus._consuming.session.end("lost")
        gate.open.set()
        await receiver.wait_for(1 + len(sent))
    assert sorted(handled_by.values()) == [1, len(sent)]  # the lane's worker began, and then each went alone


async def test_frame_that_was_not_begun_goes_back_when_its_worker_stops(
    transport: RabbitTransport, rabbit: Rabbit
) -> None:
    """A process that is replaced ends what it has begun, and not sixty times two hundred messages one by one."""
    lane, before, after = new_lane(batch=64), Receiver(), Receiver()
    gate = Gate(before.receive)
    async with transport.bus(lane) as bus:
        frames = [[command(lane, body) for body in [b"hangs", *MANY]] for _ in range(2)]
        for frame in frames:
            await bus.publish(frame)
        await _take_and_end(rabbit, replace(lane, workers=2), sum(len(frame) for frame in frames))
        await bus.consume(lane, gate.receive)
        await gate.begun.wait()
        stopping = asyncio.create_task(bus.stop_consuming())
        assert not (await asyncio.wait({stopping}, timeout=0.1))[0]  # it waits for what is in hand
        gate.open.set()
        await stopping
    async with transport.bus(lane) as bus:
        await bus.consume(lane, after.receive)
        await after.wait_for(len(frames[0]))
    handled = [[got.message_id for got in receiver.messages] for receiver in (before, after)]
    assert sorted(handled) == sorted([each.message_id for each in frame] for frame in frames)


async def test_frame_that_keeps_ending_its_worker_is_set_aside_message_by_message(
    transport: RabbitTransport, rabbit: Rabbit
) -> None:
    """After three deaths each of them waits in a queue where one ends nobody else's work; none is lost."""
    lane, receiver, neighbours = new_lane(batch=64), Receiver(), [b"a", b"b", b"c"]
    async with transport.bus(lane) as bus:
        sent = [command(lane, body) for body in MANY]
        await bus.publish(sent)
        for _ in range(3):
            await _take_and_end(rabbit, lane, 1)
        await bus.publish([command(lane, body) for body in neighbours])
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(len(sent) + len(neighbours))
    assert sorted(receiver.bodies) == sorted([*MANY, *neighbours])
    assert {got.message_id for got in receiver.messages} >= {each.message_id for each in sent}


async def _take_and_end(rabbit: Rabbit, lane: Lane, count: int) -> None:
    """A worker that took so many messages, and was never heard of again."""
    taken, for_ever = Receiver(), asyncio.Event()

    async def hang(batch: Sequence[Incoming]) -> list[Disposition]:
        await taken.receive(batch)
        await for_ever.wait()
        return [Retry("ended") for _ in batch]

    async with RabbitBus(rabbit.urls, name="ends", lanes=[lane]) as ending:
        await ending.consume(lane, hang)
        await taken.wait_for(count)
        await ending._consuming.close()  # as if its process had been killed
        for_ever.set()  # what it says now is heard by nobody
