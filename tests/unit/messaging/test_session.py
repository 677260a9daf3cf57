"""What a connection leaves behind that never came about, and what ends with one."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator

import pytest
from aiormq.base import FutureStore

from shared.messaging.rabbitmq.session import LinkLost, Session, link_errors


@pytest.fixture
async def hangs_up() -> AsyncIterator[str]:
    """The address of a server that ends every connection at once."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_a_connection_that_fails_leaves_nothing_to_the_collector(
    hangs_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a broker is away attempts fail for hours, and the collector meets them in a thread that has no loop."""
    complaints: list[object] = []
    gc.collect()
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: complaints.append(unraisable.exc_value))
    for _ in range(3):
        with pytest.raises(LinkLost), link_errors():
            await Session.open(hangs_up, name="test", heartbeat=10)
    await asyncio.to_thread(gc.collect)
    assert complaints == []


async def test_what_the_library_ends_without_a_reason_ended_with_its_link() -> None:
    """Taken for a fault of ours, a publish raised instead of having an outcome, and a consumer gave up its link."""
    store = FutureStore(asyncio.get_running_loop())
    confirmation = store.create_future()
    await store.reject_all(None)
    with pytest.raises(LinkLost), link_errors():
        await confirmation


async def test_a_fault_of_ours_is_not_taken_for_a_lost_link() -> None:
    """It would be tried again for ever, and nobody would read of it."""
    with pytest.raises(LookupError), link_errors():
        raise LookupError
