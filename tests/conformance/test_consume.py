"""Workers: batches, concurrency, and the end of a process."""

import asyncio
from collections.abc import Sequence

from shared.clock import monotonic
from shared.messaging.bus import Ack, Disposition, Incoming, PublishOutcome
from tests.support.receiver import PATIENCE, Receiver, eventually
from tests.support.transports import Transport, command, new_lane

PACE = 0.2  # seconds
NEVER = 3600.0  # seconds


async def test_worker_takes_what_has_arrived_but_never_more_than_the_batch(transport: Transport) -> None:
    """Many decisions for one commit is what makes the login path fast; a batch too large would hold its locks long."""
    lane, receiver = new_lane(batch=8), Receiver()
    async with transport.bus(lane) as bus:
        await bus.publish([command(lane, b"%d" % number) for number in range(40)])
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(40)
    assert sorted(receiver.bodies) == sorted(b"%d" % number for number in range(40))
    assert 1 < max(receiver.sizes) <= 8


async def test_single_message_does_not_wait_for_a_batch_to_fill(transport: Transport) -> None:
    """Alone, a request waits for nothing."""
    lane, receiver = new_lane(batch=64), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane)])
        await receiver.wait_for(1)
    assert receiver.sizes == [1]


async def test_paced_lane_makes_few_batches_of_many_messages(transport: Transport) -> None:
    """With every replica that sends facts more messages come; the transactions of those who listen become no more."""
    lane, receiver = new_lane(workers=2, batch=64, pace=PACE), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        started = monotonic()
        for number in range(40):
            await bus.publish([command(lane, b"%d" % number)])
        await receiver.wait_for(40)
        most = (monotonic() - started) / PACE + 2
    assert sorted(receiver.bodies) == sorted(b"%d" % number for number in range(40))
    assert len(receiver.sizes) <= most


async def test_who_comes_alone_to_a_paced_lane_waits_for_nothing(transport: Transport) -> None:
    """In quiet hours what happened is in the log, and with whoever listens, at once."""
    lane, receiver = new_lane(batch=64, pace=NEVER), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane)])
        await receiver.wait_for(1)
    assert receiver.sizes == [1]


async def test_workers_of_a_lane_work_at_the_same_time(transport: Transport) -> None:
    """A lane with three workers that works one by one is three times as slow as its table says."""
    lane, all_there = new_lane(workers=3), asyncio.Barrier(3)

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        await all_there.wait()
        done.set()
        return [Ack() for _ in batch]

    done = asyncio.Event()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane) for _ in range(3)])
        async with asyncio.timeout(PATIENCE):
            await done.wait()


async def test_hanging_handler_holds_up_no_other_worker(transport: Transport) -> None:
    """One provider call that hangs until its deadline must not stop everybody's codes."""
    lane, release = new_lane(workers=2), asyncio.Event()
    done: list[bytes] = []

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        if batch[0].body == b"hangs":
            await release.wait()
        done.extend(each.body for each in batch)
        return [Ack() for _ in batch]

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane, b"hangs")])
        await bus.publish([command(lane, b"%d" % number) for number in range(10)])
        await eventually(lambda: len(done) == 10)
        assert b"hangs" not in done
        release.set()
        await eventually(lambda: b"hangs" in done)


async def test_lanes_do_not_hold_each_other_up(transport: Transport) -> None:
    """A mail server that takes its time is no reason for a text message to be late."""
    slow, quick, release = new_lane(), new_lane(), asyncio.Event()
    receiver = Receiver()

    async def hang(batch: Sequence[Incoming]) -> list[Disposition]:
        await release.wait()
        return [Ack() for _ in batch]

    async with transport.bus(slow, quick) as bus:
        await bus.consume(slow, hang)
        await bus.consume(quick, receiver.receive)
        await bus.publish([command(slow) for _ in range(5)] + [command(quick) for _ in range(5)])
        await receiver.wait_for(5)
        release.set()


async def test_stopping_finishes_the_work_in_hand(transport: Transport) -> None:
    """A rolling upgrade must neither break off a mail that is being sent nor have it sent again."""
    lane, begun, release = new_lane(), asyncio.Event(), asyncio.Event()
    finished: list[bytes] = []

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        begun.set()
        await release.wait()
        finished.extend(each.body for each in batch)
        return [Ack() for _ in batch]

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane, b"first")])
        await begun.wait()
        stopping = asyncio.create_task(bus.stop_consuming())
        assert not (await asyncio.wait({stopping}, timeout=0.2))[0]  # it waits for what is in hand
        assert await bus.publish([command(lane, b"second")]) == [PublishOutcome.CONFIRMED]  # the relay's last batch
        release.set()
        async with asyncio.timeout(PATIENCE):
            await stopping
    assert finished == [b"first"]

    receiver = Receiver()  # the next process gets the rest, and nothing of what was done
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(1)
    assert receiver.bodies == [b"second"]


async def test_leaving_the_bus_gives_back_what_was_not_begun(transport: Transport) -> None:
    """Messages fetched ahead must not wait for a lease to end, nor be lost, when their process is replaced."""
    lane, begun, release = new_lane(batch=16), asyncio.Event(), asyncio.Event()
    finished: list[bytes] = []

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        begun.set()
        await release.wait()
        finished.extend(each.body for each in batch)
        return [Ack() for _ in batch]

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane, b"0")])
        await begun.wait()
        await bus.publish([command(lane, b"%d" % number) for number in range(1, 10)])
        stopping = asyncio.create_task(bus.stop_consuming())
        assert not (await asyncio.wait({stopping}, timeout=0.2))[0]
        release.set()
        await stopping

    receiver = Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(10 - len(finished))
    assert sorted(finished + receiver.bodies) == [b"%d" % number for number in range(10)]


async def test_handler_that_raises_has_its_message_tried_again(transport: Transport) -> None:
    """A bug in one handler must cost neither the message nor the worker."""
    lane, seen = new_lane(), Receiver()

    async def receive(batch: Sequence[Incoming]) -> Sequence[Disposition]:
        dispositions = await seen.receive(batch)
        if batch[0].attempt == 0:
            raise LookupError
        return dispositions

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        sent = command(lane)
        await bus.publish([sent])
        first, second = await seen.wait_for(2)
    assert (first.attempt, second.attempt) == (0, 1)
    assert first.message_id == second.message_id == sent.message_id


async def test_a_thousand_messages_and_four_workers_lose_none(transport: Transport) -> None:
    """At ordinary speed, with nothing broken, every message is handled exactly once."""
    lane, receiver = new_lane(workers=4, batch=16), Receiver()
    async with transport.bus(lane) as publishing, transport.bus(lane) as consuming:
        await consuming.consume(lane, receiver.receive)
        sent = [command(lane, b"%d" % number) for number in range(1000)]
        for start in range(0, 1000, 100):
            outcomes = await publishing.publish(sent[start : start + 100])
            assert outcomes == [PublishOutcome.CONFIRMED] * 100
        await receiver.wait_for(1000)
    assert sorted(got.message_id for got in receiver.messages) == sorted(each.message_id for each in sent)


async def test_two_processes_share_a_lane(transport: Transport) -> None:
    """Replicas divide the work: a message handled by both would cost a duplicate each time."""
    lane, one, other = new_lane(), Receiver(), Receiver()
    async with transport.bus(lane) as first, transport.bus(lane) as second:
        await first.consume(lane, one.receive)
        await second.consume(lane, other.receive)
        await first.publish([command(lane, b"%d" % number) for number in range(100)])
        await eventually(lambda: len(one.messages) + len(other.messages) >= 100)
    assert sorted(one.bodies + other.bodies) == sorted(b"%d" % number for number in range(100))
    assert one.messages
    assert other.messages
