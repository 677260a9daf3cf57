"""A broker that is killed, blocked, or loses what it has: everything comes back by itself."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from shared.clock import host_now, monotonic
from shared.messaging.bus import (
    Ack,
    Disposition,
    Incoming,
    NoReply,
    Outgoing,
    PublishOutcome,
    Reply,
    Retry,
    Unavailable,
)
from shared.messaging.rabbitmq import RabbitBus
from shared.messaging.topology import Lane
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import PATIENCE, Receiver, eventually
from tests.support.transports import FAST, command, event, new_lane

_ROOT = Path(__file__).parents[2]
RECOVERED = 60.0  # seconds after the end of a fault: what we promise
SETTLED = 1.5  # seconds; 3.10 killed within one after a quorum queue was declared never finds its leader again


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """A broker of our own, to be hurt."""
    prefix = os.environ.get("DESKFACTOR_TEST_RABBITMQ")  # noqa: TID251 - of the tests, not of a service
    with Rabbit(tmp_path_factory.mktemp("broker"), prefix=_ROOT / prefix if prefix else None) as rabbit:
        yield rabbit


def _bus(broker: Rabbit, *lanes: Lane) -> RabbitBus:
    return RabbitBus(broker.urls, name="test", lanes=lanes, retry_delays=FAST)


async def _publish_until_confirmed(bus: RabbitBus, batch: Sequence[Outgoing]) -> None:
    """As the relay does it: the same ids again until the broker has them all."""
    left = list(batch)
    async with asyncio.timeout(RECOVERED):
        while left:
            outcomes = await bus.publish(left)
            left = [each for each, how in zip(left, outcomes, strict=True) if how is not PublishOutcome.CONFIRMED]
            if left:
                await asyncio.sleep(0.05)


async def test_killed_broker_loses_nothing_and_everybody_comes_back(broker: Rabbit) -> None:
    """A broker's power cut is a matter of waiting: nobody restarts a service, no message is missing."""
    lane, receiver = new_lane(workers=2, batch=8), Receiver()
    sent: list[Outgoing] = []
    async with _bus(broker, lane) as publishing, _bus(broker, lane) as consuming:
        await consuming.consume(lane, receiver.receive)
        declared = monotonic()
        while monotonic() - declared < SETTLED or len(sent) < 200:
            sent += (batch := [command(lane) for _ in range(20)])
            await _publish_until_confirmed(publishing, batch)
        in_flight = [command(lane) for _ in range(100)]
        publish = asyncio.create_task(_publish_until_confirmed(publishing, in_flight))
        await asyncio.sleep(0)  # the publishes begin
        broker.kill()
        await eventually(lambda: not publishing.is_up())
        assert await publishing.publish([command(lane)]) == [PublishOutcome.REFUSED]
        broker.start_node(wait=False)
        await publish
        sent += in_flight
        ids = {each.message_id for each in sent}
        await eventually(lambda: ids <= {got.message_id for got in receiver.messages}, within=RECOVERED)
        await eventually(lambda: publishing.is_up() and consuming.is_consuming())
    assert ids == {got.message_id for got in receiver.messages}


async def test_bus_starts_before_its_broker(broker: Rabbit) -> None:
    """Services and broker may start in any order; nobody starts a service twice."""
    lane, receiver = new_lane(), Receiver(lambda got: Reply(b"yes") if got.wants_reply else Ack())
    broker.shut_down()
    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receiver.receive)
        assert not bus.is_up()
        assert not bus.is_consuming()
        broker.start_node(wait=False)
        await _publish_until_confirmed(bus, [command(lane)])
        await receiver.wait_for(1, within=RECOVERED)
        await eventually(bus.is_consuming)


async def test_blocked_broker_is_noticed_and_does_not_stop_consumers(broker: Rabbit) -> None:
    """In a memory alarm nobody waits for a publish that cannot come, and working off what is there is the cure."""
    lane, requests, gate = new_lane(), new_lane(is_request=True), asyncio.Event()
    receiver = Receiver()

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        await gate.wait()
        return await receiver.receive(batch)

    async with _bus(broker, lane, requests) as bus, _bus(broker, lane, requests) as consuming:
        await consuming.consume(lane, receive)
        await bus.publish([command(lane) for _ in range(10)])
        with _alarm(broker):
            stuck = asyncio.create_task(bus.publish([command(lane)]))  # the first to publish is told of the alarm
            await eventually(lambda: not bus.is_up())
            assert await bus.publish([command(lane)]) == [PublishOutcome.REFUSED]
            await asyncio.wait_for(_ask_until_unavailable(bus, requests), PATIENCE)
            gate.set()
            await receiver.wait_for(10)
        await eventually(bus.is_up)
        assert (await stuck)[0] in (PublishOutcome.CONFIRMED, PublishOutcome.UNKNOWN)
        await _publish_until_confirmed(bus, [command(lane)])
        await receiver.wait_for(11)


async def test_deleted_queue_is_made_again_under_its_consumer(broker: Rabbit) -> None:
    """The library only logs that a consumer is gone: unnoticed, the lane would stand still for ever."""
    topic = new_lane().name
    lane, receiver = new_lane(binds=(f"{topic}.#",)), Receiver()
    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receiver.receive)
        broker.ctl("delete_queue", f"{lane.name}.v1")
        await _publish_until_confirmed(bus, [event(f"{topic}.happened")])
        await receiver.wait_for(1)


async def test_connections_closed_by_force_come_back(broker: Rabbit) -> None:
    """An operator closes connections to rebalance a cluster."""
    lane, receiver = new_lane(), Receiver()
    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receiver.receive)
        broker.ctl("close_all_connections", "test")
        await _publish_until_confirmed(bus, [command(lane)])
        await receiver.wait_for(1)


async def test_question_under_way_ends_with_its_link(broker: Rabbit) -> None:
    """The way back went with the connection: whoever waits for the answer to the end waits for nothing."""
    lane, begun, release = new_lane(is_request=True), asyncio.Event(), asyncio.Event()

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        begun.set()
        await release.wait()
        return [Reply(b"late") for _ in batch]

    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receive)
        deadline = host_now() + dt.timedelta(seconds=3 * PATIENCE)
        asking = asyncio.create_task(bus.request(lane.name, command(lane, expires_at=deadline)))
        await begun.wait()
        broker.ctl("close_all_connections", "test")
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NoReply):
                await asking
        release.set()


async def test_bus_can_be_left_while_it_reconnects(broker: Rabbit) -> None:
    """A service that is stopped during an outage must end, not be killed half a minute later."""
    lane = new_lane()
    for _ in range(3):
        async with asyncio.timeout(PATIENCE):
            async with _bus(broker, lane) as bus:
                await bus.consume(lane, Receiver().receive)
                await asyncio.to_thread(broker.ctl, "close_all_connections", "test")
                await eventually(bus.is_up)  # one link is back, and others are in the midst of it


async def test_message_in_hand_while_the_link_is_lost_is_finished(broker: Rabbit) -> None:
    """A handler in the middle of its transaction outlives the link; the message comes again, and the inbox knows it."""
    lane, begun, release = new_lane(), asyncio.Event(), asyncio.Event()
    finished: list[Incoming] = []

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        begun.set()
        await release.wait()
        finished.extend(batch)
        return [Ack() for _ in batch]

    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane)])
        await begun.wait()
        broker.ctl("close_all_connections", "test")
        await eventually(lambda: not bus.is_consuming())
        await eventually(bus.is_consuming)
        release.set()
        await eventually(lambda: len(finished) == 2)
        await _publish_until_confirmed(bus, [command(lane, b"next")])
        await eventually(lambda: finished[-1].body == b"next")
    assert finished[0].message_id == finished[1].message_id
    assert finished[1].attempt == 0


async def test_what_failed_for_now_while_links_are_lost_is_tried_again(broker: Rabbit) -> None:
    """It goes up the ladder over one link and off its lane over another: without them it is still there."""
    lane, begun, release = new_lane(batch=8), asyncio.Event(), asyncio.Event()
    receiver = Receiver(lambda got: Ack() if got.attempt else Retry("flaky"))

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        begun.set()
        await release.wait()
        return await receiver.receive(batch)

    async with _bus(broker, lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish(sent := [command(lane) for _ in range(8)])
        await begun.wait()
        sessions = [link.session for link in (bus._consuming, bus._commands.link) if link.session]
        broker.ctl("close_all_connections", "test")
        await eventually(lambda: all(each.is_over() for each in sessions))
        release.set()
        ids = {each.message_id for each in sent}
        await eventually(lambda: ids == {got.message_id for got in receiver.messages if got.attempt})


@pytest.mark.parametrize("turns", [2, 6, 12, 20])
async def test_publish_whose_link_ends_has_an_outcome(broker: Rabbit, turns: int) -> None:
    """At whatever point it is met: the relay, and who asked, go on from there."""
    lane, later = new_lane(), host_now() + dt.timedelta(hours=1)  # with which each leaves by itself
    async with _bus(broker, lane) as bus:

        async def end() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            assert bus._commands.link.session
            bus._commands.link.session.end("test")

        outcomes, _ = await asyncio.gather(bus.publish([command(lane, expires_at=later) for _ in range(100)]), end())
    assert set(outcomes) <= {PublishOutcome.CONFIRMED, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN}


async def test_silent_host_is_passed_over(broker: Rabbit) -> None:
    """A host that accepts connections and says nothing must not hide the one that works."""
    lane, receiver = new_lane(), Receiver()
    async with _silent_server() as port:
        urls = [f"amqp://127.0.0.1:{port}/", broker.url()]
        async with RabbitBus(urls, name="test", lanes=[lane], retry_delays=FAST) as bus:
            await bus.consume(lane, receiver.receive)
            await _publish_until_confirmed(bus, [command(lane)])
            await receiver.wait_for(1)


@pytest.mark.faults
async def test_frozen_broker_is_given_up_after_three_unknown_publishes(broker: Rabbit) -> None:
    """A broker that stands still keeps its connections open: only the missing words tell."""
    lane = new_lane()
    process = int(broker.ctl("eval", "os:getpid().").strip().strip('"'))
    async with _bus(broker, lane) as bus:
        os.kill(process, signal.SIGSTOP)
        try:
            assert await bus.publish([command(lane) for _ in range(3)]) == [PublishOutcome.UNKNOWN] * 3
            await eventually(lambda: not bus.is_up())
        finally:
            os.kill(process, signal.SIGCONT)
        await eventually(bus.is_up, within=RECOVERED)


async def _ask_until_unavailable(bus: RabbitBus, lane: Lane) -> None:
    """The first question is only told of the alarm after it was sent."""
    with contextlib.suppress(Unavailable):
        while True:
            with contextlib.suppress(NoReply):
                await bus.request(lane.name, command(lane, expires_at=host_now() + dt.timedelta(seconds=0.2)))


@contextlib.contextmanager
def _alarm(broker: Rabbit) -> Iterator[None]:
    broker.ctl("set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        broker.ctl("set_vm_memory_high_watermark", "0.4")


@contextlib.asynccontextmanager
async def _silent_server() -> AsyncIterator[int]:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
