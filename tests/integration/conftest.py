"""The API with everybody behind it, in this process: once for each module that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.cli.simulators.mailbox import Mailbox
from services.gateway.app import Serving
from tests.support.api_client import Client
from tests.support.api_people import caller
from tests.support.whole import whole


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    """Where the mail of sandboxes goes."""
    return Mailbox()


@pytest.fixture(scope="module")
async def api(dsn: str, key_dir: Path, mailbox: Mailbox) -> AsyncIterator[Serving]:
    """All services."""
    async with whole(dsn, key_dir, mailbox) as serving:
        yield serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of a test."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def client(dsn: str, api: Serving, session: aiohttp.ClientSession) -> Client:
    """A fresh sandbox tenant."""
    return await caller(dsn, api, session)
