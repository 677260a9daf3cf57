"""The table of lanes on a real broker."""

import datetime as dt
from dataclasses import replace

import pytest

from shared.messaging.bus import PublishOutcome
from shared.messaging.rabbitmq import Difference, Fault, RabbitBus, apply, diff
from shared.messaging.topology import LANES
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import Receiver
from tests.support.transports import FAST, command, new_lane


async def test_the_whole_table_is_accepted(rabbit: Rabbit) -> None:
    """An argument that this version of the broker refuses would keep every service from its lane."""
    assert await apply(rabbit.urls) == []
    assert await diff(rabbit.urls) == []
    assert len({lane.name for lane in LANES}) == len(LANES)


async def test_diff_names_what_is_missing_and_makes_nothing(rabbit: Rabbit) -> None:
    """An operator looks before an upgrade; looking must not be the upgrade."""
    lane = new_lane()
    missing = [
        Difference(f"{lane.name}.dead.v1", Fault.MISSING),
        Difference(f"{lane.name}.solo.v1", Fault.MISSING),
        Difference(f"{lane.name}.v1", Fault.MISSING),
    ]
    await apply(rabbit.urls, lanes=[], retry_delays=FAST)
    assert await diff(rabbit.urls, lanes=[lane], retry_delays=FAST) == missing
    assert await diff(rabbit.urls, lanes=[lane], retry_delays=FAST) == missing


async def test_apply_makes_what_is_missing_once(rabbit: Rabbit) -> None:
    """Every service applies the topology at every connection: the second time must change nothing."""
    lane, delay = new_lane(binds=("a.*", "b.#")), dt.timedelta(milliseconds=1234)
    for _ in range(2):
        assert await apply(rabbit.urls, lanes=[lane], retry_delays=[delay]) == []
    assert await diff(rabbit.urls, lanes=[lane], retry_delays=[delay]) == []


async def test_queue_with_other_arguments_is_named_and_left_alone(rabbit: Rabbit) -> None:
    """Arguments cannot be changed: the queue holds messages, and only a person may drain and delete it."""
    lane, other = new_lane(), new_lane()
    await apply(rabbit.urls, lanes=[lane], retry_delays=FAST)
    as_request = replace(lane, is_request=True)
    wrong = [Difference(f"{lane.name}.v1", Fault.MISMATCHED)]
    assert await apply(rabbit.urls, lanes=[as_request, other], retry_delays=FAST) == wrong
    assert await diff(rabbit.urls, lanes=[as_request, other], retry_delays=FAST) == wrong


async def test_one_wrong_queue_stops_no_other_lane(rabbit: Rabbit) -> None:
    """A table that is ahead of the broker in one place must not be an outage everywhere."""
    lane, other, receiver = new_lane(), new_lane(), Receiver()
    await apply(rabbit.urls, lanes=[lane], retry_delays=FAST)
    lanes = [replace(lane, is_request=True), other]
    async with RabbitBus(rabbit.urls, name="test", lanes=lanes, retry_delays=FAST) as bus:
        await bus.consume(other, receiver.receive)
        assert await bus.publish([command(other)]) == [PublishOutcome.CONFIRMED]
        await receiver.wait_for(1)


async def test_lane_outside_of_the_table_is_a_bug(rabbit: Rabbit) -> None:
    """Nobody would have made its queue, and its link would break and come back for ever."""
    async with RabbitBus(rabbit.urls, name="test", lanes=[new_lane()], retry_delays=FAST) as bus:
        with pytest.raises(ValueError, match="table of lanes"):
            await bus.consume(new_lane(), Receiver().receive)


async def test_unreachable_broker_is_said_so() -> None:
    """The command line must end with a reason, not hang."""
    with pytest.raises(ConnectionError):
        await diff(["amqp://127.0.0.1:1/"])
