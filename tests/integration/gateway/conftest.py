"""A gateway on a real PostgreSQL, without the services that decide."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from services.gateway.app import Serving, serve
from services.gateway.settings import GatewaySettings
from tests.support.api_client import Client
from tests.support.api_people import caller


@pytest.fixture(scope="module")
async def gateway(dsn: str, key_dir: Path) -> AsyncIterator[Serving]:
    """A gateway whose questions nobody answers."""
    settings = GatewaySettings(
        database_url=SecretStr(dsn), key_dir=key_dir, port=0, public_url="https://2fa.acme.example"
    )
    async with serve(settings) as serving:
        yield serving


@pytest.fixture
async def client(dsn: str, gateway: Serving, session: aiohttp.ClientSession) -> Client:
    """A fresh sandbox tenant's key with every scope."""
    return await caller(dsn, gateway, session)
