"""A database for the relay, and whoever may look into it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.db.pool import Database
from tests.conftest import DatabaseFor
from tests.support.scripted import EFFECTS


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, and an outbox that nobody else writes into."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(EFFECTS)
    await conn.execute("DELETE FROM bus.outbox")
    yield conn
    await conn.close()


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    """As a service."""
    return await database_for("policy")
