"""Messages that travel as one, where that shows: on RabbitMQ."""

import asyncio
from collections.abc import Sequence

import aio_pika
import pytest

from shared.ids import new_id
from shared.messaging.bus import Disposition, Exchange, Incoming, Reply
from shared.messaging.rabbitmq import RabbitBus, names
from shared.messaging.rabbitmq.feed import PREFETCH_MOST
from shared.messaging.rabbitmq.frames import Framed, listing, pack
from shared.messaging.topology import Lane
from tests.support.asking import Gate, ask
from tests.support.broker_link import connected
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import PATIENCE, Receiver
from tests.support.transports import RabbitTransport, command, event, new_lane

NEVER = 3600.0  # seconds
MANY = [b"%02d" % number for number in range(30)]


@pytest.fixture
def transport(rabbit: Rabbit) -> RabbitTransport:
    """The one whose requests travel in frames."""
    return RabbitTransport(rabbit)


def _lane(*, workers: int = 2) -> Lane:
    return new_lane(is_request=True, workers=workers, batch=64)


async def test_what_is_asked_while_one_is_in_hand_is_judged_together(transport: RabbitTransport) -> None:
    """One message, one transaction and one answer for all of them: that is what makes a busy lane fast."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(got.body))
    gate = Gate(receiver.receive)
    async with transport.bus(lane) as bus:
        await bus.consume(lane, gate.receive)
        hanging = ask(bus, lane, b"hangs")
        await gate.begun.wait()
        assert await asyncio.gather(*(ask(bus, lane, body) for body in MANY)) == MANY
        gate.open.set()
        assert await hanging == b"hangs"
    assert max(receiver.sizes) >= len(MANY) - 1  # the first one alone, if the one in hand is slow by then


async def test_what_takes_long_is_judged_alone(transport: RabbitTransport) -> None:
    """The answers of a frame leave together: with a slow hash among them all would wait for it."""
    lane, receiver = _lane(workers=1), Receiver(lambda got: Reply(got.body))
    gate = Gate(receiver.receive)
    slow = [b"slow %d" % number for number in range(3)]
    async with transport.bus(lane) as bus:
        await bus.consume(lane, gate.receive)
        hanging = ask(bus, lane, b"hangs")
        await gate.begun.wait()
        asked = [ask(bus, lane, body, goes_alone=True) for body in slow] + [ask(bus, lane, body) for body in MANY]
        await asyncio.sleep(0)
        gate.open.set()
        assert await asyncio.gather(*asked) == slow + MANY
        await hanging
    assert receiver.sizes.count(1) >= 1 + len(slow)
    alone = [bodies for bodies, size in zip(_batches(receiver), receiver.sizes, strict=True) if size > 1]
    assert not {body for bodies in alone for body in bodies} & set(slow)


async def test_second_attempt_is_asked_after_the_first_ones_answer(transport: RabbitTransport) -> None:
    """Two workers must not judge the second code before the first: five attempts are five in their order."""
    lane, receiver = _lane(workers=4), Receiver(lambda got: Reply(got.body))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        asked = [ask(bus, lane, b"%02d" % number, subject="ann") for number in range(20)]
        others = [ask(bus, lane, b"other", subject=f"bob {number}") for number in range(20)]
        await asyncio.gather(*asked, *others)
    of_ann = [body for body in receiver.bodies if body != b"other"]
    assert of_ann == [b"%02d" % number for number in range(20)]


async def test_frame_that_comes_again_is_taken_apart(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """One of them may be what ended its worker: the others get their answers, each on its own, while there is time."""
    lane, receiver, taken = _lane(workers=3), Receiver(lambda got: Reply(got.body)), Receiver()
    release = asyncio.Event()

    async def hang(batch: Sequence[Incoming]) -> list[Disposition]:
        await taken.receive(batch)
        await release.wait()
        return [Reply(b"too late") for _ in batch]

    async with transport.bus(lane) as bus, RabbitBus(rabbit.urls, name="ends", lanes=[lane]) as ending:
        await ending.consume(lane, hang)
        asked = [ask(bus, lane, body) for body in [b"first", *MANY]]
        await taken.wait_for(1 + len(MANY))
        await bus.consume(lane, receiver.receive)
        await ending._consuming.close()  # as if its process had been killed
        assert await asyncio.gather(*asked) == [b"first", *MANY]
        release.set()
    assert max(taken.sizes) >= len(MANY) - 1
    assert receiver.sizes == [1] * (1 + len(MANY))


async def test_handler_that_raises_on_many_gets_them_one_by_one(transport: RabbitTransport) -> None:
    """A bug that only a crowd meets must not refuse the crowd."""
    lane, seen = _lane(), Receiver(lambda got: Reply(got.body))

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        if len(batch) > 1:
            raise RuntimeError
        return await seen.receive(batch)

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        assert await asyncio.gather(*(ask(bus, lane, body) for body in MANY)) == MANY


async def test_answer_that_cannot_be_read_ends_nothing(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """A worker of another version: its asker hears nothing, and all others go on."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(got.body))
    async with transport.bus(lane) as bus:
        async with connected(rabbit.url()) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(names.queue_of(lane))
            waiting = ask(bus, lane, b"asked", left=3 * PATIENCE)
            async with queue.iterator(timeout=PATIENCE) as questions:
                question = await anext(questions)
                nonsense = aio_pika.Message(b"[]", headers={names.FRAME: "nonsense"})
                await channel.default_exchange.publish(nonsense, question.reply_to or "")
                await question.reject(requeue=True)
        await bus.consume(lane, receiver.receive)
        assert await waiting == b"asked"


async def test_broken_frame_comes_as_one_message(transport: RabbitTransport, rabbit: Rabbit) -> None:
    """List and body do not fit: nothing in it may be taken for a message, nor may it vanish. Nobody can read it, which
    makes it a dead letter.
    """
    lane, receiver, body = new_lane(batch=64), Receiver(), b'[{"a": 1}]'
    async with transport.bus(lane) as bus:
        frame_id = new_id()
        async with connected(rabbit.url()) as connection:
            exchange = await (await connection.channel()).get_exchange(Exchange.COMMANDS.value, ensure=False)
            listed = f"{new_id().hex} {len(body)} 0"
            frame = aio_pika.Message(body, message_id=str(frame_id), headers={names.FRAME: listed})
            await exchange.publish(frame, lane.name)
        await bus.publish([command(lane, b"next")])
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(2)
    assert {got.message_id: got.body for got in receiver.messages}[frame_id] == body


async def test_facts_come_in_the_order_of_their_telling(transport: RabbitTransport) -> None:
    """What was said in one transaction reads in the log as it was said."""
    log, receiver, topic = new_lane(binds=("#",), batch=200), Receiver(), new_lane().name
    async with transport.bus(log) as bus:
        await bus.consume(log, receiver.receive)
        batch = [event(f"{topic}.{number % 7}", b"%03d" % number) for number in range(150)]
        await bus.publish(batch)
        await receiver.wait_for(len(batch))
    assert receiver.bodies == [each.body for each in batch]
    assert len(receiver.sizes) < len(batch)


@pytest.mark.parametrize(("batch", "count"), [(3, 3), (200, PREFETCH_MOST)], ids=["full", "all there is"])
async def test_batch_of_a_paced_lane_that_cannot_grow_does_not_wait(
    transport: RabbitTransport, batch: int, count: int
) -> None:
    """A backlog is worked off at full speed: the pace is for those who would come one by one."""
    lane, receiver = new_lane(batch=batch, pace=NEVER), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane)])
        await receiver.wait_for(1)
        for _ in range(count):
            await bus.publish([command(lane)])
        await receiver.wait_for(1 + count)
    assert receiver.sizes == [1, count]


async def test_frame_that_the_broker_gave_up_is_parked_message_by_message(
    transport: RabbitTransport, rabbit: Rabbit
) -> None:
    """A person sees letters with ids that are known elsewhere, and replays the one that matters."""
    lane, dead, bodies = new_lane(batch=64), Receiver(), [b"{}", b'{"a": 1}']
    framed = [Framed(new_id(), body) for body in bodies]
    async with transport.bus(lane) as bus:
        async with connected(rabbit.url()) as connection:
            exchange = await (await connection.channel()).get_exchange(names.DEAD_EXCHANGE, ensure=False)
            frame = aio_pika.Message(pack(bodies), headers={names.FRAME: listing(framed)})
            await exchange.publish(frame, lane.name)
        await bus.consume_dead([lane], dead.receive)
        letters = await dead.wait_for(2)
    assert [(letter.message_id, letter.body) for letter in letters] == [(each.message_id, each.body) for each in framed]


def _batches(receiver: Receiver) -> list[list[bytes]]:
    bodies = iter(receiver.bodies)
    return [[next(bodies) for _ in range(size)] for size in receiver.sizes]
