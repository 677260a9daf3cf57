"""The retry ladder and the dead letters at its end."""

import datetime as dt

from shared.clock import monotonic
from shared.messaging.bus import Ack, Dead, Disposition, Incoming, Retry
from tests.support.receiver import Receiver, eventually
from tests.support.transports import FAST, Transport, command, event, new_lane

LONG = dt.timedelta(minutes=30)


async def test_retry_brings_the_same_message_back(transport: Transport) -> None:
    """Id and age survive, so that the inbox knows it; the attempt counts, so that the ladder ends."""
    lane = new_lane()
    receiver = Receiver(lambda got: Ack() if got.attempt else Retry("flaky"))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        sent = command(lane, b"body")
        await bus.publish([sent])
        first, second = await receiver.wait_for(2)
    assert (first.attempt, second.attempt) == (0, 1)
    assert first.message_id == second.message_id == sent.message_id
    assert (second.body, second.first_seen_at, second.dead_reason) == (b"body", first.first_seen_at, None)


async def test_retry_waits_for_its_step_of_the_ladder(transport: Transport) -> None:
    """A provider that is down is not helped by being asked again at once."""
    delays = (dt.timedelta(milliseconds=300), dt.timedelta(milliseconds=600))
    times: list[float] = []
    lane = new_lane()

    def dispose(got: Incoming) -> Disposition:
        times.append(monotonic())
        return Ack() if got.attempt == 2 else Retry("flaky")

    receiver = Receiver(dispose)
    async with transport.bus(lane, retry_delays=delays) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane)])
        await receiver.wait_for(3)
    assert times[1] - times[0] >= 0.29
    assert times[2] - times[1] >= 0.59


async def test_waiting_for_a_retry_holds_up_nobody(transport: Transport) -> None:
    """While one person's mail waits half an hour, the others' go out."""
    lane = new_lane()
    receiver = Receiver(lambda got: Retry("flaky") if got.body == b"waits" else Ack())
    async with transport.bus(lane, retry_delays=[LONG]) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane, b"waits")])
        await receiver.wait_for(1)
        await bus.publish([command(lane, b"goes") for _ in range(10)])
        await receiver.wait_for(11)
    assert receiver.bodies.count(b"waits") == 1


async def test_retried_event_returns_only_to_the_lane_that_failed(transport: Transport) -> None:
    """The audit must not be told again because a mail could not be sent."""
    topic = new_lane().name
    failing, fine = new_lane(binds=(f"{topic}.*",)), new_lane(binds=(f"{topic}.*",))
    flaky = Receiver(lambda got: Ack() if got.attempt else Retry("flaky"))
    receiver = Receiver()
    async with transport.bus(failing, fine) as bus:
        await bus.consume(failing, flaky.receive)
        await bus.consume(fine, receiver.receive)
        await bus.publish([event(f"{topic}.happened")])
        await flaky.wait_for(2)
        await bus.publish([command(fine, b"end")])
        await receiver.wait_for(2)
    assert sorted(receiver.bodies) == [b"end", b"{}"]


async def test_end_of_the_ladder_is_a_dead_letter_with_the_last_reason(transport: Transport) -> None:
    """What never succeeds must end where a person finds it, and say why."""
    lane, dead = new_lane(), Receiver()
    receiver = Receiver(lambda got: Retry(f"failure_{got.attempt}"))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.consume_dead([lane], dead.receive)
        sent = command(lane, b"body")
        await bus.publish([sent])
        [letter] = await dead.wait_for(1)
    assert [got.attempt for got in receiver.messages] == list(range(len(FAST) + 1))
    assert (letter.lane, letter.message_id, letter.body) == (lane.name, sent.message_id, b"body")
    assert (letter.dead_reason, letter.attempt) == (f"failure_{len(FAST)}", len(FAST))
    assert letter.first_seen_at == receiver.messages[0].first_seen_at


async def test_hopeless_message_dies_at_once(transport: Transport) -> None:
    """An invalid number does not become valid by waiting."""
    lane, dead = new_lane(), Receiver()
    receiver = Receiver(lambda got: Dead("invalid_number") if got.body == b"bad" else Ack())
    async with transport.bus(lane, retry_delays=[LONG]) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.consume_dead([lane], dead.receive)
        await bus.publish([command(lane, b"bad"), command(lane, b"good")])
        [letter] = await dead.wait_for(1)
        await receiver.wait_for(2)
    assert (letter.body, letter.dead_reason, letter.attempt) == (b"bad", "invalid_number", 0)
    assert len(receiver.messages) == 2


async def test_dead_letters_wait_for_somebody_to_take_them(transport: Transport) -> None:
    """The parker may start hours later."""
    lane, dead = new_lane(), Receiver()
    receiver = Receiver(lambda _: Dead("invalid_number"))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane, b"bad")])
        await receiver.wait_for(1)
    async with transport.bus(lane) as bus:
        await bus.consume_dead([lane], dead.receive)
        [letter] = await dead.wait_for(1)
    assert (letter.body, letter.dead_reason) == (b"bad", "invalid_number")


async def test_dead_letter_that_cannot_be_parked_stays(transport: Transport) -> None:
    """There is nothing after the dead letters: whatever their handler says, they are not lost."""
    lane = new_lane()
    dead = Receiver(
        lambda _: Ack() if len(dead.messages) > 2 else Retry("no") if len(dead.messages) > 1 else Dead("no")
    )
    async with transport.bus(lane) as bus:
        await bus.consume(lane, Receiver(lambda _: Dead("invalid_number")).receive)
        await bus.consume_dead([lane], dead.receive)
        sent = command(lane)
        await bus.publish([sent])
        letters = await dead.wait_for(3)
    assert {letter.message_id for letter in letters} == {sent.message_id}
    assert {letter.dead_reason for letter in letters} == {"invalid_number"}


async def test_dead_letters_of_several_lanes_name_their_lane(transport: Transport) -> None:
    """Replay puts a letter back on its lane; the wrong one would run another service's handler."""
    lanes, dead = [new_lane(), new_lane()], Receiver()
    async with transport.bus(*lanes) as bus:
        await bus.consume_dead(lanes, dead.receive)
        for lane in lanes:
            await bus.consume(lane, Receiver(lambda _: Dead("invalid_number")).receive)
            await bus.publish([command(lane, lane.name.encode())])
        await dead.wait_for(2)
        await eventually(lambda: len(dead.messages) == 2)
    assert all(letter.lane.encode() == letter.body for letter in dead.messages)
