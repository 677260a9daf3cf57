"""Questions and answers with a deadline: the way of every login."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest

from shared.clock import host_now, monotonic
from shared.messaging.bus import Ack, Dead, Disposition, Incoming, NoReply, Reply, Retry, Unavailable
from tests.support.receiver import PATIENCE, Receiver
from tests.support.transports import Transport, command, new_lane

SLOW = 15.0  # seconds: what a busy machine may add to something that takes no time; who waits in vain, waits longer


def _soon(seconds: float = PATIENCE) -> dt.datetime:
    return host_now() + dt.timedelta(seconds=seconds)


async def test_request_gets_its_reply(transport: Transport) -> None:
    """A login is answered by the worker that decided it."""
    lane = new_lane(is_request=True)
    receiver = Receiver(lambda got: Reply(b"re: " + got.body))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        sent = command(lane, b"may I?", expires_at=_soon())
        assert await bus.request(lane.name, sent) == b"re: may I?"
    [got] = receiver.messages
    assert (got.message_id, got.wants_reply, got.expires_at) == (sent.message_id, True, sent.expires_at)


async def test_each_request_gets_its_own_reply(transport: Transport) -> None:
    """A verdict that reaches another person's login is the worst that can happen here."""
    lane = new_lane(is_request=True, workers=3, batch=8)
    receiver = Receiver(lambda got: Reply(got.body[::-1]))
    async with transport.bus(lane) as asking, transport.bus(lane) as answering:
        await answering.consume(lane, receiver.receive)
        bodies = [b"request %03d" % number for number in range(100)]
        replies = await asyncio.gather(
            *(asking.request(lane.name, command(lane, body, expires_at=_soon())) for body in bodies)
        )
    assert replies == [body[::-1] for body in bodies]


async def test_large_bodies_come_whole(transport: Transport) -> None:
    """A frame is up to 256 KiB, more than one packet and more than one notification."""
    lane = new_lane(is_request=True)
    receiver = Receiver(lambda got: Reply(got.body * 2))
    body = bytes(range(256)) * 1024
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        assert await bus.request(lane.name, command(lane, body, expires_at=_soon())) == body * 2


async def test_no_reply_at_the_deadline(transport: Transport) -> None:
    """The gateway has promised its answer, if only a 503, within 2.5 seconds."""
    lane = new_lane(is_request=True)
    receiver = Receiver(lambda _: Ack())  # handled, never answered
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        for budget in (0.5, 2.0, 8.0):  # the first of them in which a busy machine handles it at all
            started = monotonic()
            with pytest.raises(NoReply):
                await bus.request(lane.name, command(lane, expires_at=_soon(budget)))
            assert budget - 0.05 < monotonic() - started < budget + SLOW
            if receiver.messages:
                break
    assert len({got.message_id for got in receiver.messages}) == len(receiver.messages) > 0


async def test_expired_request_is_never_handled(transport: Transport) -> None:
    """A code judged after its login was refused with 503 would be spent for nothing."""
    lane, receiver = new_lane(is_request=True), Receiver(lambda _: Reply(b"yes"))
    async with transport.bus(lane) as bus:
        with pytest.raises(NoReply):
            await bus.request(lane.name, command(lane, b"late", expires_at=_soon(0.3)))  # nobody works yet
        await bus.consume(lane, receiver.receive)
        await bus.request(lane.name, command(lane, b"in time", expires_at=_soon()))
    assert receiver.bodies == [b"in time"]


async def test_request_past_its_deadline_is_not_sent(transport: Transport) -> None:
    """What waited too long in the gateway need not load the workers as well."""
    lane, receiver = new_lane(is_request=True), Receiver(lambda _: Reply(b"yes"))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        with pytest.raises(NoReply):
            await bus.request(lane.name, command(lane, b"late", expires_at=_soon(-1)))
        await bus.request(lane.name, command(lane, b"in time", expires_at=_soon()))
    assert receiver.bodies == [b"in time"]


async def test_late_reply_reaches_nobody(transport: Transport) -> None:
    """An answer after the deadline must not be taken for the answer to the next question."""
    lane, may_answer = new_lane(is_request=True, workers=2), asyncio.Event()

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        if batch[0].body == b"slow":
            await may_answer.wait()
        return [Reply(each.body) for each in batch]

    async with transport.bus(lane) as bus:
        await bus.consume(lane, receive)
        with pytest.raises(NoReply):
            await bus.request(lane.name, command(lane, b"slow", expires_at=_soon(0.5)))
        may_answer.set()
        assert await bus.request(lane.name, command(lane, b"next", expires_at=_soon())) == b"next"


async def test_request_is_unavailable_at_once_while_the_server_is_away(transport: Transport) -> None:
    """A dependency known to be down answers within a second: the gateway takes its other route, or says 503."""
    lane = new_lane(is_request=True)
    async with transport.unreachable(lane) as bus:
        with pytest.raises(Unavailable):  # the first one may be what finds it out
            await bus.request(lane.name, command(lane, expires_at=_soon()))
        started = monotonic()
        with pytest.raises(Unavailable):
            await bus.request(lane.name, command(lane, expires_at=_soon()))
        assert monotonic() - started < SLOW


async def test_request_that_failed_for_now_is_tried_again_in_time(transport: Transport) -> None:
    """A lost race in the database must not cost the person a login when there is time for another try."""
    lane = new_lane(is_request=True)
    receiver = Receiver(lambda _: Retry("lost_race") if len(receiver.messages) < 2 else Reply(b"yes"))
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        assert await bus.request(lane.name, command(lane, expires_at=_soon())) == b"yes"
    assert len({got.message_id for got in receiver.messages}) == 1


async def test_request_that_can_never_succeed_is_set_aside(transport: Transport) -> None:
    """What no handler can read is a fault between our own services: somebody must find it."""
    lane, dead = new_lane(is_request=True), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, Receiver(lambda _: Dead("unreadable")).receive)
        await bus.consume_dead([lane], dead.receive)
        sent = command(lane, expires_at=_soon())
        asking = asyncio.create_task(bus.request(lane.name, sent))
        [letter] = await dead.wait_for(1)
    with pytest.raises(NoReply):
        await asking
    assert (letter.lane, letter.message_id, letter.dead_reason) == (lane.name, sent.message_id, "unreadable")
