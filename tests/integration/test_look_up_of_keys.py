"""API keys are looked up together, and each caller gets its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from uuid import UUID

import pytest

from services.cli.tenants import create_api_key, create_tenant
from services.gateway.api.auth import LOOK_UPS, Caller, Keys
from services.gateway.problems import HttpCode, Problem
from shared.crypto.api_keys import new_api_key
from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database

MANY = 20


class Counting(Database):
    """Counts transactions."""

    transactions = 0

    @contextlib.asynccontextmanager
    async def transaction(
        self, tenants: Collection[UUID] = (), *, work_queues: bool = False
    ) -> AsyncIterator[Connection]:
        """See `Database.transaction`."""
        self.transactions += 1
        async with super().transaction(tenants, work_queues=work_queues) as conn:
            yield conn


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Counting]:
    """As the gateway's role."""
    async with Counting(dsn, role="deskfactor_gateway", name="test-keys") as database:
        yield database


async def test_keys_of_many_tenants_are_looked_up_together(dsn: str, database: Counting) -> None:
    """After a restart the first request of every tenant asks; each for itself they would queue for connections."""
    tenants = [await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=False) for _ in range(MANY)]
    made = [await create_api_key(dsn, each, name="test") for each in tenants]
    keys = Keys(database)
    callers = await asyncio.gather(*(keys.caller(f"Bearer {each.reveal()}") for each in made))
    assert [each.tenant_id for each in callers if isinstance(each, Caller)] == tenants
    assert database.transactions <= LOOK_UPS


async def test_an_unknown_key_among_good_ones_is_refused_alone(dsn: str, database: Counting) -> None:
    """A stranger must not be let in by company, nor keep it out."""
    tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=False)
    good = await create_api_key(dsn, tenant_id, name="test")
    keys = Keys(database)
    bad = new_api_key(False)
    found = await asyncio.gather(*(keys.caller(f"Bearer {each.reveal()}") for each in (bad, good, bad, good)))
    assert [isinstance(each, Caller) for each in found] == [False, True, False, True]
    assert found[0] == Problem(code=HttpCode.UNAUTHORIZED)


async def test_one_who_goes_away_takes_nobody_along(dsn: str, database: Counting) -> None:
    """A client that hangs up cancels its own request only."""
    tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=False)
    key = await create_api_key(dsn, tenant_id, name="test")
    keys = Keys(database)
    leaving, staying = (asyncio.create_task(keys.caller(f"Bearer {key.reveal()}")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Caller)


async def test_without_a_database_everybody_hears_so() -> None:
    """Whoever waits for a look-up that failed would else wait for ever; the next one tries again."""
    async with Database("postgresql://127.0.0.1:1/nowhere", role=None, name="test-keys") as away:
        keys = Keys(away)
        for _ in range(2):
            found = await asyncio.gather(
                *(keys.caller(f"Bearer {new_api_key(False).reveal()}") for _ in range(3)), return_exceptions=True
            )
            assert [type(each) for each in found] == [StoreUnavailable] * 3
