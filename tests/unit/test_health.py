"""What a process says of itself: ready only when its work can be done, sound only while no part is missing."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from shared.db.pool import Database
from shared.http.health import HEALTH, Health, healthz, readyz
from shared.messaging.postgres_lanes import PostgresLanes
from shared.process import background_tasks

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
PATIENCE = 30.0  # seconds; a busy machine


@pytest.fixture
async def health() -> AsyncIterator[Health]:
    """Of a process whose database is not there."""
    async with Database(NOWHERE, role=None, name="test") as database:
        yield Health(database, PostgresLanes(database, name="test"))


async def _ask(health: Health) -> tuple[int, int, dict[str, object]]:
    """Status of /healthz and /readyz, and what the latter says."""
    app = web.Application()
    app[HEALTH] = health
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    async with TestClient(TestServer(app)) as client:
        whole, ready = await client.get("/healthz"), await client.get("/readyz")
        return whole.status, ready.status, json.loads(await ready.text())


async def test_before_the_first_probe_nothing_is_taken_for_granted(health: Health) -> None:
    """A replica that starts during an outage must not be given requests for its first second."""
    assert not health.is_database_up
    whole, ready, said = await _ask(health)
    assert (whole, ready) == (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    assert said["status"] == "not ready"
    assert set(said) == {"status", "database", "bus", "consuming", "leaving"}


async def test_a_database_that_refuses_is_known_at_once_and_the_watch_goes_on(health: Health) -> None:
    """Restarting helps nobody then: the process is sound, and says that it cannot work."""
    watch = asyncio.create_task(health.watch())
    async with asyncio.timeout(PATIENCE):
        await health.wait_known()
    assert not health.is_database_up
    assert not watch.done()
    watch.cancel()
    assert (await _ask(health))[:2] == (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)


async def test_a_part_that_died_makes_the_process_unsound(health: Health) -> None:
    """A relay or a dispatcher that is gone is an outage that nobody sees, unless the process says so."""

    async def dies() -> None:
        raise ValueError

    async def goes_on() -> None:
        await asyncio.Event().wait()

    async def ends() -> None:
        return

    died = asyncio.Event()

    def tell() -> None:
        health.lose_part()
        died.set()

    async with background_tasks(tell) as spawn:
        spawn(goes_on())
        spawn(ends())
        assert (await _ask(health))[0] == HTTPStatus.OK
        spawn(dies())
        async with asyncio.timeout(PATIENCE):
            await died.wait()
    assert (await _ask(health))[0] == HTTPStatus.SERVICE_UNAVAILABLE


async def test_the_end_of_a_process_is_no_death(health: Health) -> None:
    """Tasks that are cancelled at the end were not lost."""

    async def goes_on() -> None:
        await asyncio.Event().wait()

    async with background_tasks(health.lose_part) as spawn:
        spawn(goes_on())
    assert health.is_whole
