"""A service of the tests' own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.crypto.keyring import load_ring
from tests.conftest import DatabaseFor
from tests.support.scripted import EFFECTS, Script, consumer_on
from tests.support.scripted_service import Service
from tests.support.tenants import new_tenant


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, and a table for effects."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(EFFECTS)
    yield conn
    await conn.close()


@pytest.fixture
async def service(
    dsn: str, key_dir: Path, database_for: DatabaseFor, sql: "asyncpg.Connection[asyncpg.Record]"
) -> Service:
    """One process of the service."""
    answers, script = load_ring(key_dir, "seal.gateway"), Script()
    consumer = consumer_on(await database_for("policy"), script, answers)
    return Service(consumer=consumer, script=script, tenant_id=await new_tenant(dsn), answers=answers, sql=sql)
