"""Processes that are replaced in the midst of their work: what was handled is settled, what was not begun goes back."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from shared.messaging.bus import Ack, Bus, Disposition, Incoming, Outgoing, PublishOutcome, Retry
from tests.support.receiver import PATIENCE, Receiver, eventually
from tests.support.transports import Transport, command, new_lane

LIVES = 5  # with two more, what was given back each time would count as delivered too often
BURSTS = (1, 40, 7, 64, 3)  # messages published together, five bursts a life
FAILS = 33  # one in so many fails for now when it is handled first


class _Replaced(Receiver):
    """Handles nothing to its end before the bus that brought it has begun to stop."""

    def __init__(self) -> None:
        super().__init__(lambda got: Retry("flaky") if got.body == b"flaky" and not got.attempt else Ack())
        self.done: set[UUID] = set()
        self.stops = asyncio.Event()
        self._begun = asyncio.Event()

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """See `Receiver`."""
        said = await super().receive(batch)
        self._begun.set()
        await self.stops.wait()
        self.done.update(got.message_id for got, what in zip(batch, said, strict=True) if what == Ack())
        return said

    async def stop(self, bus: Bus) -> None:
        """Stop it with work in hand, which ends only then."""
        async with asyncio.timeout(PATIENCE):
            await self._begun.wait()
        stopping = asyncio.create_task(bus.stop_consuming())
        assert not (await asyncio.wait({stopping}, timeout=0.1))[0]  # it waits for what is in hand
        self.stops.set()
        await stopping
        self._begun.clear()
        self.stops.clear()


async def test_what_failed_for_now_while_its_process_stops_is_tried_later_and_the_others_are_done(
    transport: Transport,
) -> None:
    """A rolling upgrade must not have a whole batch handled again, message by message, because one of it failed: with a
    process replaced every second nothing came to an end any more.
    """
    lane, replaced, successor = new_lane(batch=64), _Replaced(), Receiver()
    sent = [command(lane, b"%d" % number) for number in range(30)]
    flaky = command(lane, b"flaky")
    async with transport.bus(lane) as bus:
        assert await bus.publish([*sent, flaky]) == [PublishOutcome.CONFIRMED] * 31
        await bus.consume(lane, replaced.receive)
        await replaced.wait_for(31)
        await replaced.stop(bus)
    async with transport.bus(lane) as bus:
        end = command(lane, b"end")  # behind all that would come again
        await bus.publish([end])
        await bus.consume(lane, successor.receive)
        await successor.wait_for(2)
    assert {(got.message_id, got.attempt) for got in successor.messages} == {(flaky.message_id, 1), (end.message_id, 0)}
    assert len(replaced.messages) == 31


async def test_bus_that_comes_and_goes_loses_nothing(transport: Transport) -> None:
    """An orchestrator that replaces a process again and again, each time in the midst of batches of which some failed:
    all is done in the end, and nothing of it by a person.
    """
    lane, replaced, dead = new_lane(workers=2, batch=64, pace=0.1), _Replaced(), Receiver()
    sent: list[Outgoing] = []
    async with transport.bus(lane) as publishing:
        for _ in range(LIVES):
            for burst in BURSTS:
                batch = [command(lane, b"flaky" if not (len(sent) + more) % FAILS else b"") for more in range(burst)]
                assert await publishing.publish(batch) == [PublishOutcome.CONFIRMED] * burst
                sent += batch
            async with transport.bus(lane) as bus:
                await bus.consume(lane, replaced.receive)
                await replaced.stop(bus)
        replaced.stops.set()
        async with transport.bus(lane) as bus:
            await bus.consume_dead([lane], dead.receive)
            await bus.consume(lane, replaced.receive)
            await eventually(lambda: replaced.done >= {each.message_id for each in sent})
    assert dead.messages == []
