"""Handing messages over, and who gets them."""

import asyncio
import datetime as dt

import pytest

from shared.clock import host_now
from shared.db.pool import Database
from shared.messaging import relay as relaying
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome
from shared.messaging.outbox import OutboxRow
from tests.support.lanes_transport import ROLE
from tests.support.receiver import Receiver
from tests.support.transports import Transport, command, event, new_lane

NEVER = 3600.0  # seconds


async def test_command_reaches_its_lane(transport: Transport) -> None:
    """A command is for one service: it must arrive there, whole, with the id that its inbox knows it by."""
    lane, receiver = new_lane(), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        sent = command(lane, b"\x00\xffbody")
        assert await bus.publish([sent]) == [PublishOutcome.CONFIRMED]
        [got] = await receiver.wait_for(1)
    assert (got.lane, got.message_id, got.body) == (lane.name, sent.message_id, sent.body)
    assert (got.attempt, got.wants_reply, got.dead_reason) == (0, False, None)


async def test_headers_expiry_and_age_travel_along(transport: Transport) -> None:
    """The expiry keeps a code from being sent late, and the age is measured from the first publish."""
    lane, receiver = new_lane(), Receiver()
    expires_at = host_now().replace(microsecond=123456) + dt.timedelta(minutes=10)
    before = host_now()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        sent = Outgoing(
            message_id=command(lane).message_id,
            exchange=Exchange.COMMANDS,
            routing_key=lane.name,
            body=b"{}",
            expires_at=expires_at,
            headers={"traceparent": "00-abc-def-01"},
        )
        await bus.publish([sent])
        [got] = await receiver.wait_for(1)
    assert got.headers == {"traceparent": "00-abc-def-01"}
    assert got.expires_at == expires_at
    assert abs(got.first_seen_at - before) < dt.timedelta(seconds=5)


async def test_event_reaches_every_lane_that_bound_its_type(transport: Transport) -> None:
    """Services learn facts by patterns: too few matches lose a fact, too many wake services that know nothing of it."""
    topic = new_lane().name
    exact = new_lane(binds=(f"{topic}.factor.enrolled",))
    one_word = new_lane(binds=(f"{topic}.factor.*",))
    everything = new_lane(binds=(f"{topic}.#", f"{topic}.factor.*"))  # bound twice, yet told once
    other = new_lane(binds=(f"{topic}.account.*",))
    lanes = (exact, one_word, everything, other)
    receivers = {lane: Receiver() for lane in lanes}
    async with transport.bus(*lanes) as bus:
        for lane in lanes:
            await bus.consume(lane, receivers[lane].receive)
        outcomes = await bus.publish(
            [event(f"{topic}.factor.enrolled", b"1"), event(f"{topic}.factor.enrolled.twice", b"2")]
        )
        assert outcomes == [PublishOutcome.CONFIRMED, PublishOutcome.CONFIRMED]
        await bus.publish([command(lane, b"end") for lane in lanes])  # each lane's last, so that we know it is read
        await receivers[exact].wait_for(2)
        await receivers[one_word].wait_for(2)
        await receivers[everything].wait_for(3)
        await receivers[other].wait_for(1)
    assert {lane: sorted(receivers[lane].bodies) for lane in lanes} == {
        exact: [b"1", b"end"],
        one_word: [b"1", b"end"],
        everything: [b"1", b"2", b"end"],
        other: [b"end"],
    }


async def test_command_does_not_wait_for_facts_to_become_many(
    transport: Transport, lanes_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody waits for the mail of a command; nobody for a fact to be written down among others."""
    monkeypatch.setattr(relaying, "PACE", NEVER)
    topic, mails = new_lane().name, new_lane()
    log = new_lane(binds=(f"{topic}.#",))
    facts, commands = Receiver(), Receiver()
    first, second, mail = event(f"{topic}.a", b"first"), event(f"{topic}.b", b"second"), command(mails)
    async with transport.bus(log, mails) as bus, Database(lanes_dsn, role=ROLE, name="test") as database:
        await bus.consume(log, facts.receive)
        await bus.consume(mails, commands.receive)
        relay = relaying.Relay(database, bus)
        running = asyncio.create_task(relay.run())
        relay.hand_over([_row(first)])
        await facts.wait_for(1)
        relay.hand_over([_row(second), _row(mail)])
        await commands.wait_for(1)
        assert facts.bodies == [b"first"]
        running.cancel()
        await asyncio.wait([running])


def _row(message: Outgoing) -> OutboxRow:
    return OutboxRow(
        message_id=message.message_id,
        tenant_id=None,
        exchange=message.exchange,
        routing_key=message.routing_key,
        body=message.body,
    )


async def test_message_that_nobody_takes_is_unroutable(transport: Transport) -> None:
    """An outbox row must not be marked as sent when a wrong topology let it fall to the floor."""
    lane = new_lane()
    async with transport.bus(lane) as bus:
        outcomes = await bus.publish([event(f"{lane.name}.unheard"), command(new_lane())])
    assert outcomes == [PublishOutcome.UNROUTABLE, PublishOutcome.UNROUTABLE]


async def test_outcomes_are_in_the_order_of_the_batch(transport: Transport) -> None:
    """The relay marks rows by position: one shifted outcome loses a message and repeats another."""
    lane, receiver = new_lane(), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        batch = [command(lane) if number % 3 else event(f"{lane.name}.unheard") for number in range(30)]
        outcomes = await bus.publish(batch)
        await receiver.wait_for(20)
    assert outcomes == [PublishOutcome.CONFIRMED if number % 3 else PublishOutcome.UNROUTABLE for number in range(30)]
    assert {got.message_id for got in receiver.messages} == {
        sent.message_id for number, sent in enumerate(batch) if number % 3
    }


async def test_same_id_twice_is_delivered_twice(transport: Transport) -> None:
    """Delivery is at least once: the inbox tells duplicates apart, so the transport must not swallow a replay."""
    lane, receiver = new_lane(), Receiver()
    async with transport.bus(lane) as bus:
        await bus.consume(lane, receiver.receive)
        sent = command(lane)
        assert await bus.publish([sent, sent]) == [PublishOutcome.CONFIRMED] * 2
        assert await bus.publish([sent]) == [PublishOutcome.CONFIRMED]
        got = await receiver.wait_for(3)
    assert {each.message_id for each in got} == {sent.message_id}


async def test_same_unroutable_id_twice_is_unroutable_twice(transport: Transport) -> None:
    """Two relays may hand over the same row at once; neither may hear that it was stored."""
    lane = new_lane()
    async with transport.bus(lane) as bus:
        lost = event(f"{lane.name}.unheard")
        assert await bus.publish([lost] * 5) == [PublishOutcome.UNROUTABLE] * 5


async def test_nothing_to_publish_is_no_error(transport: Transport) -> None:
    """The relay wakes up for rows that another relay has just taken."""
    async with transport.bus(new_lane()) as bus:
        assert await bus.publish([]) == []


async def test_publish_while_the_server_is_away_raises_nothing(transport: Transport) -> None:
    """The relay keeps its rows and comes again: an exception would end it, a `confirmed` would lose them."""
    lane = new_lane()
    async with transport.unreachable(lane) as bus:
        assert not bus.is_up()
        [outcome] = await bus.publish([command(lane)])
    assert outcome in (PublishOutcome.REFUSED, PublishOutcome.UNKNOWN)


async def test_bus_is_up_once_entered(transport: Transport) -> None:
    """Readiness asks; a bus that reports itself down for no reason takes a healthy service out."""
    async with transport.bus(new_lane()) as bus:
        assert bus.is_up()
