"""The whole product, once for each bus, for all acceptance tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack


@pytest.fixture(scope="session", params=["postgres", "rabbitmq"])
async def stack(
    request: pytest.FixtureRequest, new_dsn: Callable[[], str], key_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Six processes, two simulators, a database of their own."""
    amqp_url = ""
    if request.param == "rabbitmq":
        rabbit: Rabbit = request.getfixturevalue("rabbit")
        # On the broker's own host the audit log's lane would take what the conformance suite wants nobody to take.
        amqp_url = await asyncio.to_thread(rabbit.virtual_host, "acceptance")
    folder = tmp_path_factory.mktemp(f"stack-{request.param}")
    async with Stack(dsn=new_dsn(), key_dir=key_dir, folder=folder, bus=request.param, amqp_url=amqp_url) as running:
        yield running
