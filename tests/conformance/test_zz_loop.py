import pytest, asyncio, sys
from tests.conformance.test_rabbitmq_faults import *
from tests.conformance.test_rabbitmq_faults import _bus, _publish_until_confirmed
async def dump(bus,broker):
    await asyncio.sleep(12)
    f=open("/tmp/h2/stacks.log","a")
    print("=====STUCK up",bus.is_up(),bus.is_consuming(),bus._sender.link.counts,bus._consuming.counts, bus._sender._line, bus._sender._in_flight,file=f)
    for t in asyncio.all_tasks(): print(t,file=f); t.print_stack(file=f)
    print(broker.ctl("list_queues","name","messages","messages_ready","messages_unacknowledged","consumers","leader"),file=f)
    f.close()
@pytest.mark.timeout(40)
@pytest.mark.parametrize("n",range(40))
async def test_it(broker,n):
    lane, receiver = new_lane(), Receiver()
    bus=_bus(broker, lane)
    d=asyncio.create_task(dump(bus,broker))
    async with bus:
        await bus.consume(lane, receiver.receive)
        broker.ctl("close_all_connections", "test")
        await _publish_until_confirmed(bus, [command(lane)])
        await receiver.wait_for(1)
    d.cancel()
