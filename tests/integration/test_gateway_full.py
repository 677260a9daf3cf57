"""The gateway when too many ask: who is one too many hears so at once, and what waits does not grow."""

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from services.gateway import app as gateway
from services.gateway import middleware
from services.gateway.api import known_keys
from services.gateway.api.contacts import Contacts
from services.gateway.app import Serving
from services.gateway.ingress import Ingress
from services.gateway.settings import GatewaySettings
from services.otp_worker import app as otp_worker
from services.otp_worker.settings import OtpWorkerSettings
from shared.clock import host_now
from shared.crypto.keyring import load_ring
from shared.db import pool
from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging import coalescing
from shared.messaging.bus import Ack, Incoming
from shared.messaging.coalescing import MOST_FRAMES, MOST_MESSAGES
from shared.messaging.postgres_lanes import PostgresLanes, asker, requests
from shared.messaging.rabbitmq import parts
from shared.messaging.rabbitmq.names import queue_of
from shared.messaging.relay import Relay
from shared.messaging.topology import GATEWAY_INGRESS, OTP_LOGINS
from shared.settings import load_settings
from tests.conftest import DatabaseFor
from tests.support.api_client import Answer, Client
from tests.support.api_people import caller
from tests.support.broker_link import connected
from tests.support.eventually import eventually
from tests.support.publisher import event
from tests.support.rabbitmq import Rabbit
from tests.support.receiver import PATIENCE
from tests.support.tenants import new_tenant

LONG = dt.timedelta(minutes=10)  # nobody's time is over before the test is, however busy the machine
SHARE = MOST_FRAMES * MOST_MESSAGES  # requests of one tenant: all frames on their way do not hold them, one is small
MOST = 60  # requests elsewhere
MORE = 20  # than there is room for
CONNECTIONS = 4
OWN_WORK = 10  # connections at most that a gateway's lanes and sweeps wait for


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests and connections wait for as long as the test takes."""
    monkeypatch.setattr(middleware, "REQUEST_BUDGET", LONG)
    monkeypatch.setattr(pool, "ACQUIRE_TIMEOUT", LONG.total_seconds())
    monkeypatch.setattr(parts, "REQUEST_TTL", LONG)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """As many connections as there are requests."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as opened:
        yield opened


class Crowd:
    """Requests of one tenant under way, and how they fared."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: list[asyncio.Task[Answer]] = []

    def log_in(self, count: int) -> None:
        """So many people whom nobody knows sign in."""
        for _ in range(count):
            account_id = f"nobody-{len(self._asked)}"
            body = {"account_id": account_id, "first_factor": {"method": "password"}}
            self._asked.append(asyncio.create_task(self._client.call("POST", "/v1/logins", body)))

    def read(self, count: int) -> None:
        """So many times the tenant is read, which the gateway does itself."""
        self._asked += (asyncio.create_task(self._client.call("GET", "/v1/tenant")) for _ in range(count))

    def answered(self) -> list[Answer]:
        """The answers so far."""
        return [each.result() for each in self._asked if each.done()]

    def waiting(self) -> int:
        """How many have none."""
        return len(self._asked) - len(self.answered())

    async def all_answered(self) -> list[Answer]:
        """Everybody's answer."""
        return await asyncio.gather(*self._asked)

    async def left_to(self, count: int) -> int:
        """How many wait, once there are so few."""

        async def waiting() -> int:
            return self.waiting()

        return await eventually(waiting, lambda seen: seen <= count)


def are_refused(answers: list[Answer]) -> bool:
    """Whether each is the problem that says when to come again."""
    return all(
        (each.status, each.code) == (503, "unavailable")
        and each.headers["Content-Type"] == "application/problem+json"
        and int(each.headers["Retry-After"]) > 0
        for each in answers
    )


async def judge_once(client: Client) -> None:
    """There is a worker, and it answers."""
    crowd = Crowd(client)
    crowd.log_in(1)
    assert [each.code for each in await crowd.all_answered()] == ["account_not_found"]


async def test_a_lane_that_is_full_refuses_at_once_and_its_queue_does_not_grow(
    dsn: str, key_dir: Path, rabbit: Rabbit, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nobody decides, a helpdesk that asks ever more must not fill the gateway's memory nor the broker's disk."""
    host = await asyncio.to_thread(rabbit.virtual_host, "full")
    common = {"database_url": dsn, "key_dir": key_dir, "bus": "rabbitmq", "amqp_urls": host}
    monkeypatch.setattr(coalescing, "MOST_HELD", 2 * SHARE)
    async with serving(common) as running:
        client, other = [await caller(dsn, running, session) for _ in range(2)]
        async with worker(common):
            await judge_once(client)
        crowd, neighbour = Crowd(client), Crowd(other)
        crowd.log_in(SHARE + MORE)
        assert await crowd.left_to(SHARE) == SHARE
        assert are_refused(crowd.answered())
        await eventually(lambda: queued(host), lambda count: count == MOST_FRAMES)

        neighbour.log_in(1)
        crowd.log_in(MORE)
        assert await crowd.left_to(SHARE) == SHARE
        assert are_refused(crowd.answered())
        assert neighbour.waiting() == 1
        assert await queued(host) == MOST_FRAMES

        async with worker(common):
            assert [each.code for each in await neighbour.all_answered()] == ["account_not_found"]
            verdicts = [each.code for each in await crowd.all_answered()]
            assert (verdicts.count("account_not_found"), verdicts.count("unavailable")) == (SHARE, 2 * MORE)
            await judge_once(client)


async def test_a_lane_in_postgresql_that_is_full_refuses_at_once(
    dsn: str, key_dir: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where there is no broker: the table of requests is as long as it may be, and not longer."""
    common = {"database_url": dsn, "key_dir": key_dir, "database_pool": CONNECTIONS}
    monkeypatch.setattr(requests, "REQUEST_LANE_LENGTH", MOST)
    at_once = MOST + CONNECTIONS - 1  # each of the connections may see room for the last one
    async with serving(common) as running:
        client = await caller(dsn, running, session)
        crowd = Crowd(client)
        crowd.log_in(MOST + MORE)
        assert MOST <= await crowd.left_to(at_once) <= at_once
        assert are_refused(crowd.answered())
        held = await eventually(lambda: stored(dsn), lambda count: count == crowd.waiting())

        crowd.log_in(MORE)
        assert await crowd.left_to(held) == held
        assert are_refused(crowd.answered())
        assert await stored(dsn) == held

        async with worker(common):
            verdicts = [each.code for each in await crowd.all_answered()]
            assert verdicts.count("account_not_found") == held
            await judge_once(client)


async def test_requests_that_wait_for_a_connection_are_bounded(
    dsn: str, key_dir: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever holds the connections of a gateway, those who wait for one must not become more and more; and the
    gateway's own work goes on, or nobody would be given the answers that have come.
    """
    monkeypatch.setattr(pool, "MOST_WAITING", MOST)
    monkeypatch.setattr(asker, "MOST_HANDING_IN", MOST)
    monkeypatch.setattr(known_keys, "CACHED_FOR", LONG.total_seconds())  # who calls need not be read
    monkeypatch.setattr(known_keys, "RENEWED_AFTER", LONG.total_seconds())
    common = {"database_url": dsn, "key_dir": key_dir, "database_pool": CONNECTIONS}
    async with serving(common) as running, worker(common):
        client = await caller(dsn, running, session)
        await judge_once(client)
        reading, signing_in = Crowd(client), Crowd(client)
        async with AsyncExitStack() as held:
            for _ in range(CONNECTIONS):
                await held.enter_async_context(running.core.database.connection())
            reading.read(MOST + MORE)
            assert MOST - OWN_WORK <= await reading.left_to(MOST) <= MOST
            assert are_refused(reading.answered())
            left = reading.waiting()
            signing_in.log_in(MOST + MORE)
            assert await signing_in.left_to(MOST) == MOST
            assert are_refused(signing_in.answered())
            assert reading.waiting() == left
        assert [each.status for each in await reading.all_answered()].count(200) == left
        assert [each.code for each in await signing_in.all_answered()].count("account_not_found") == MOST
        await judge_once(client)


async def test_a_process_does_its_own_work_while_all_who_ask_wait(dsn: str) -> None:
    """On a slow database it would come after a thousand others, and pick up answers when nobody waits for them."""
    ended, begun = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal begun
        async with database.transaction():
            begun += 1
            await ended.wait()

    async def under_way() -> int:
        return begun

    async with (
        Database(dsn, role="deskfactor_gateway", name="test-full", size=CONNECTIONS) as database,
        asyncio.TaskGroup() as asking,
        asyncio.timeout(PATIENCE),
    ):
        for _ in range(MOST):
            asking.create_task(ask())
        await eventually(under_way, lambda count: count >= CONNECTIONS - 1)
        async with database.transaction(work_queues=True) as conn:
            assert await conn.fetchval("SELECT 1") == 1
        await database.ping()
        assert begun == CONNECTIONS - 1
        ended.set()
    assert begun == MOST


async def test_what_tenants_publish_waits_its_turn_beside_those_who_are_refused(
    dsn: str, key_dir: Path, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks again for it: refused at once like a request, it would be held for as long as too many ask, and with
    it what all other tenants publish.
    """
    monkeypatch.setattr(pool, "MOST_WAITING", 0)  # the others never become fewer
    database, tenant_id = await database_for("gateway"), await new_tenant(dsn)
    rings = {name: load_ring(key_dir, name) for name in ("seal.gateway", "seal.notifier", "digest.gateway")}
    contacts = Contacts(destinations=rings["seal.notifier"], digests=rings["digest.gateway"])
    relay = Relay(database, PostgresLanes(database, name="gateway"))
    published = Incoming(
        lane=GATEWAY_INGRESS.name,
        message_id=new_id(),
        body=json.dumps(event("account.password_changed")).encode(),
        first_seen_at=host_now(),
        tenant_id=tenant_id,
    )
    with pytest.raises(StoreUnavailable):
        async with database.transaction([tenant_id]):
            pass
    async with asyncio.timeout(PATIENCE):
        taken = await Ingress(database, relay, contacts, rings["seal.gateway"]).receive([published])
    assert taken == [Ack()]


@contextlib.asynccontextmanager
async def serving(common: Mapping[str, object]) -> AsyncIterator[Serving]:
    """A gateway."""
    async with gateway.serve(load_settings(GatewaySettings, **common, port=0)) as running:
        yield running


@contextlib.asynccontextmanager
async def worker(common: Mapping[str, object]) -> AsyncIterator[None]:
    """Somebody who judges logins."""
    async with otp_worker.serve(load_settings(OtpWorkerSettings, **common)):
        yield


async def queued(host: str) -> int:
    """Messages that wait in the queue of logins."""
    async with connected(host) as connection, await connection.channel() as channel:
        queue = await channel.get_queue(queue_of(OTP_LOGINS))
        return queue.declaration_result.message_count or 0


async def stored(dsn: str) -> int:
    """Requests that wait on the lane of logins."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = "SELECT count(*) FROM bus.requests WHERE lane = $1 AND claimed_at IS NULL"
        count: int = await conn.fetchval(rows, OTP_LOGINS.name)
        return count
    finally:
        await conn.close()
