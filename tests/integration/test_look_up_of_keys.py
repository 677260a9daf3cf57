"""API keys are looked up together, and each caller gets its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from uuid import UUID

import asyncpg
import pytest

from services.cli.tenants import create_api_key, create_tenant
from services.gateway.api.auth import Caller
from services.gateway.api.known_keys import CACHED_FOR, LOOK_UPS, RENEWED_AFTER, Keys
from services.gateway.problems import HttpCode, Problem
from shared.crypto.api_keys import new_api_key
from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database
from shared.secret import Secret

MANY = 20
REVOKE = "UPDATE gateway.api_keys SET revoked_at = now() WHERE key_id = $1"


class Counting(Database):
    """Counts transactions."""

    transactions = 0

    @contextlib.asynccontextmanager
    async def transaction(
        self, tenants: Collection[UUID] = (), *, work_queues: bool = False, is_own_work: bool = False
    ) -> AsyncIterator[Connection]:
        """See `Database.transaction`."""
        self.transactions += 1
        async with super().transaction(tenants, work_queues=work_queues, is_own_work=is_own_work) as conn:
            yield conn


class Held(Counting):
    """Its transactions have read, and do not end before they may."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, role="deskfactor_gateway", name="test-keys")
        self.has_read, self.may_end = asyncio.Event(), asyncio.Event()

    @contextlib.asynccontextmanager
    async def transaction(
        self, tenants: Collection[UUID] = (), *, work_queues: bool = False, is_own_work: bool = False
    ) -> AsyncIterator[Connection]:
        """See `Database.transaction`."""
        async with super().transaction(tenants, work_queues=work_queues, is_own_work=is_own_work) as conn:
            yield conn
            self.has_read.set()
            await self.may_end.wait()


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """Now."""
        return self.seconds


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


async def test_keys_in_use_are_renewed_together(dsn: str, database: Counting) -> None:
    """Among 1,000 tenants one key or another grows too old every few milliseconds: each by itself would be looked up
    by itself, at a third of the price of a verify.
    """
    clock = Clock()
    keys = Keys(database, clock=clock)
    first, *others = [await _new_key(dsn) for _ in range(MANY)]
    await asyncio.gather(*(keys.caller(_bearer(each)) for each in (first, *others)))
    before = database.transactions

    clock.seconds += RENEWED_AFTER
    assert all([isinstance(await keys.caller(_bearer(each)), Caller) for each in others])
    assert database.transactions == before
    clock.seconds += CACHED_FOR - RENEWED_AFTER
    assert all([isinstance(await keys.caller(_bearer(each)), Caller) for each in (first, *others)])
    assert database.transactions == before + 1


async def test_a_key_that_nobody_uses_is_not_renewed(dsn: str, database: Counting) -> None:
    """All that were ever used would come along, for as long as the process lives."""
    clock = Clock()
    keys = Keys(database, clock=clock)
    busy, idle = await _new_key(dsn), await _new_key(dsn)
    await asyncio.gather(keys.caller(_bearer(busy)), keys.caller(_bearer(idle)))
    clock.seconds += CACHED_FOR
    await keys.caller(_bearer(busy))
    before = database.transactions
    assert isinstance(await keys.caller(_bearer(idle)), Caller)
    assert database.transactions == before + 1


async def test_a_key_that_was_revoked_elsewhere_is_not_renewed(dsn: str, database: Counting) -> None:
    """It is good for five seconds more at most, however often it is used."""
    clock = Clock()
    keys = Keys(database, clock=clock)
    other, revoked = await _new_key(dsn), await _new_key(dsn)
    await keys.caller(_bearer(other))
    clock.seconds += CACHED_FOR - RENEWED_AFTER
    caller = await keys.caller(_bearer(revoked))
    assert isinstance(caller, Caller)
    clock.seconds += RENEWED_AFTER
    assert isinstance(await keys.caller(_bearer(revoked)), Caller)  # in use
    await _revoke(dsn, caller.key_id)
    await keys.caller(_bearer(other))  # is looked up, and takes it along
    before = database.transactions
    assert await keys.caller(_bearer(revoked)) == Problem(code=HttpCode.UNAUTHORIZED)
    assert database.transactions == before + 1


async def test_a_key_that_is_revoked_here_while_it_is_looked_up_is_not_good(dsn: str, database: Counting) -> None:
    """What the look-up has read is over by the time it ends; remembered, the key would be good for five seconds more
    on the very gateway that revoked it.
    """
    key = await _new_key(dsn)
    caller = await Keys(database).caller(_bearer(key))
    assert isinstance(caller, Caller)
    async with Held(dsn) as held:
        keys = Keys(held)
        asking = asyncio.create_task(keys.caller(_bearer(key)))
        await held.has_read.wait()
        await _revoke(dsn, caller.key_id)
        keys.forget(caller.key_id)
        held.may_end.set()
        assert await asking == Problem(code=HttpCode.UNAUTHORIZED)
        assert await keys.caller(_bearer(key)) == Problem(code=HttpCode.UNAUTHORIZED)


async def _new_key(dsn: str) -> Secret[str]:
    tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=False)
    return await create_api_key(dsn, tenant_id, name="test")


async def _revoke(dsn: str, key_id: UUID) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(REVOKE, key_id)
    finally:
        await conn.close()


def _bearer(key: Secret[str]) -> str:
    return f"Bearer {key.reveal()}"
