"""Many messages at once: what becomes of one of them is no other's concern."""

import asyncio

import pytest

from shared.messaging.bus import Ack, Dead, Disposition, Incoming, NoReply, PublishOutcome, Reply, Retry
from shared.messaging.topology import Lane
from tests.support.asking import Gate, ask
from tests.support.receiver import PATIENCE, Receiver
from tests.support.transports import Transport, command, event, new_lane

MANY = [b"%02d" % number for number in range(30)]


def _lane() -> Lane:
    return new_lane(is_request=True, workers=2, batch=64)


async def test_many_at_once_get_each_their_own_reply(transport: Transport) -> None:
    """Answers that travel together and are given out by position would be other people's verdicts."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(b"re: " + got.body))
    async with transport.bus(lane) as asking, transport.bus(lane) as answering:
        await answering.consume(lane, receiver.receive)
        for _ in range(3):
            replies = await asyncio.gather(*(ask(asking, lane, body) for body in MANY))
            assert replies == [b"re: " + body for body in MANY]
    assert sorted(receiver.bodies) == sorted(MANY * 3)


async def test_hanging_request_holds_up_no_other_for_long(transport: Transport) -> None:
    """One login whose worker hangs is one 503, not everybody's."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(got.body))
    gate = Gate(receiver.receive)
    async with transport.bus(lane) as bus:
        await bus.consume(lane, gate.receive)
        hanging = ask(bus, lane, b"hangs")
        await gate.begun.wait()
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*(ask(bus, lane, body) for body in MANY)) == MANY
        assert not hanging.done()
        gate.open.set()
        assert await hanging == b"hangs"


async def test_one_that_failed_for_now_is_tried_again_and_its_neighbours_are_answered(transport: Transport) -> None:
    """A lost race costs one request a second try, and the others nothing."""
    lane = _lane()

    def dispose(got: Incoming) -> Disposition:
        is_first = [each.message_id for each in receiver.messages].count(got.message_id) == 1
        return Retry("lost_race") if got.body == b"unlucky" and is_first else Reply(got.body)

    receiver = Receiver(dispose)
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        bodies = [*MANY, b"unlucky", *MANY]
        assert await asyncio.gather(*(ask(bus, lane, body) for body in bodies)) == bodies
    assert receiver.bodies.count(b"unlucky") == 2
    assert len(receiver.bodies) == len(bodies) + 1


async def test_hopeless_one_is_set_aside_and_its_neighbours_are_answered(transport: Transport) -> None:
    """A request that no handler can read is a fault to be found, and nobody else's."""
    lane, dead = _lane(), Receiver()
    receiver = Receiver(lambda got: Dead("unreadable") if got.body == b"hopeless" else Reply(got.body))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.consume_dead([lane], dead.receive)
        before, hopeless, behind = (
            [ask(bus, lane, body) for body in MANY],
            ask(bus, lane, b"hopeless"),
            [ask(bus, lane, body) for body in MANY],
        )
        assert await asyncio.gather(*before, *behind) == MANY * 2
        [letter] = await dead.wait_for(1)
    with pytest.raises(NoReply):
        await hopeless
    assert (letter.lane, letter.body, letter.dead_reason) == (lane.name, b"hopeless", "unreadable")


async def test_expired_one_is_not_handled_and_its_neighbours_are(transport: Transport) -> None:
    """What waited too long behind others is dropped, whoever else is in its frame."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(got.body))
    async with transport.bus(lane) as bus:
        first = ask(bus, lane, b"first")  # nobody works yet
        late = [ask(bus, lane, b"late", left=0.5) for _ in range(3)]
        neighbours = [ask(bus, lane, body) for body in MANY]
        assert [type(each) for each in await asyncio.gather(*late, return_exceptions=True)] == [NoReply] * 3
        await bus.consume(lane, receiver.receive)
        assert await asyncio.gather(first, *neighbours) == [b"first", *MANY]
    assert b"late" not in receiver.bodies


async def test_leaving_while_many_wait_says_so_to_all(transport: Transport) -> None:
    """A gateway that is replaced answers everybody before it goes."""
    lane, receiver = _lane(), Receiver(lambda got: Reply(got.body))
    gate = Gate(receiver.receive)
    async with transport.bus(lane) as answering:
        await answering.consume(lane, gate.receive)
        async with transport.bus(lane) as asking:
            hanging = ask(asking, lane, b"hangs")
            await gate.begun.wait()
            others = [ask(asking, lane, b"hangs") for _ in range(5)]
            await asyncio.sleep(0)  # they are asked
        ended = await asyncio.gather(hanging, *others, return_exceptions=True)
        assert all(isinstance(each, Exception) for each in ended)
        gate.open.set()


async def test_published_together_one_that_fails_for_now_comes_back_by_itself(transport: Transport) -> None:
    """A mail that cannot be queued now must not have sixty others queued twice."""
    lane = new_lane(batch=64)
    receiver = Receiver(lambda got: Retry("flaky") if got.body == b"flaky" and not got.attempt else Ack())
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        batch = [command(lane, body) for body in [*MANY, b"flaky", *MANY]]
        assert await bus.publish(batch) == [PublishOutcome.CONFIRMED] * len(batch)
        *_, last = await receiver.wait_for(len(batch) + 1)
    assert (last.body, last.attempt, last.message_id) == (b"flaky", 1, batch[len(MANY)].message_id)
    assert sorted(receiver.bodies) == sorted([each.body for each in batch] + [b"flaky"])
    assert {got.message_id for got in receiver.messages} == {each.message_id for each in batch}


async def test_published_together_a_hopeless_one_is_set_aside_by_itself(transport: Transport) -> None:
    """A person finds the one letter that cannot be read, not sixty that can."""
    lane, dead = new_lane(batch=64), Receiver()
    receiver = Receiver(lambda got: Dead("unreadable") if got.body == b"hopeless" else Ack())
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.consume_dead([lane], dead.receive)
        batch = [command(lane, body) for body in [*MANY, b"hopeless", *MANY]]
        await bus.publish(batch)
        [letter] = await dead.wait_for(1)
        await receiver.wait_for(len(batch))
    assert (letter.body, letter.dead_reason, letter.message_id) == (
        b"hopeless",
        "unreadable",
        batch[len(MANY)].message_id,
    )
    assert len(receiver.bodies) == len(batch)


async def test_facts_told_together_reach_everybody_they_concern_once(transport: Transport) -> None:
    """The audit log takes all, policy takes some: neither may miss one, or hear it twice."""
    topic = new_lane().name
    log, some = new_lane(binds=("#",), batch=64), new_lane(binds=(f"{topic}.even",), batch=64)
    at_log, at_some = Receiver(), Receiver()
    async with transport.bus(log, some) as bus:
        await bus.consume(log, at_log.receive)
        await bus.consume(some, at_some.receive)
        batch = [event(f"{topic}.{'odd' if number % 2 else 'even'}", b"%d" % number) for number in range(60)]
        assert await bus.publish(batch) == [PublishOutcome.CONFIRMED] * len(batch)
        assert await bus.publish([command(log, b"end"), command(some, b"end")]) == [PublishOutcome.CONFIRMED] * 2
        await at_log.wait_for(len(batch) + 1)
        await at_some.wait_for(len(batch) // 2 + 1)
    assert sorted(at_log.bodies) == sorted([*(each.body for each in batch), b"end"])
    assert sorted(at_some.bodies) == sorted([*(each.body for each in batch[::2]), b"end"])
