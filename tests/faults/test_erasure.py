"""Kill -9 of each service in the middle of its part of an erasure: it is taken to its end, and nobody is left over."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.cli.demo.helpdesk import Helpdesk
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.leaving import DOCUMENTED, places_of
from tests.support.owner import Owner
from tests.support.people import open_world
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

HALF_DONE = {  # the table that a service comes to when other rows of the person are gone already in its transaction
    "policy": "policy.accounts",
    "otp_worker": "otp.account_keys",
    "notifier": "notifier.sandbox_messages",
    "audit": "audit.account_keys",
}
_HELD_UP = """
SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE NOT l.granted AND l.relation = $1::regclass AND (a.query LIKE '%DELETE%' OR a.query LIKE '%erase_account%')
"""


@contextlib.asynccontextmanager
async def holding(conn: "asyncpg.Connection[asyncpg.Record]", table: str) -> AsyncIterator[None]:
    """Whoever writes to the table waits; reading goes on."""
    async with conn.transaction():
        await conn.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield


async def tried(helpdesk: Helpdesk, path: str) -> None:
    """Ask for the end, as a backend does whose call may get no answer."""
    await helpdesk.send("DELETE", path)


@pytest.mark.parametrize("own_stack", ["postgres", "rabbitmq"], indirect=True)
async def test_an_erasure_survives_kill_nine_of_every_service(own_stack: Stack, request: pytest.FixtureRequest) -> None:
    """A machine dies between two rows of one person: all of them go, or the person was promised what is not true."""
    conn, other = await asyncpg.connect(own_stack.dsn), await asyncpg.connect(own_stack.dsn)
    try:
        async with open_world(own_stack) as world:
            words: list[str] = []
            for service, table in HALF_DONE.items():
                owner = Owner(world.helpdesk, f"leaver-{service}-{new_id().hex}")
                words += await _life(owner)
                async with holding(conn, table):
                    asked = asyncio.create_task(tried(world.helpdesk, owner.path))

                    async def held_up(table: str = table) -> int:
                        return int(await other.fetchval(_HELD_UP, table))

                    await eventually(held_up, bool, within=60)
                    own_stack.kill(service)
                    own_stack.start(service)
                await own_stack.wait_ready(service)
                await asyncio.gather(asked, return_exceptions=True)

                async def told(owner: Owner = owner) -> bool:
                    status, answer, _ = await world.helpdesk.send("DELETE", owner.path)
                    return status == 202 and bool(answer["is_finished"])

                await eventually(told, bool, within=60)
            quiet = "SELECT count(*) FROM bus.outbox WHERE published_at IS NULL"
            await eventually(lambda: other.fetchval(quiet), lambda count: count == 0, within=60)
            await eventually(lambda: places_of(other, *words), lambda found: found <= DOCUMENTED, within=60)
            await other.execute("DELETE FROM bus.outbox")  # as its time does
            assert await places_of(other, *words) <= DOCUMENTED - {"bus.outbox"}
            assert await other.fetchval("SELECT count(*) FROM bus.dead_letters") == 0
            if own_stack.bus == "rabbitmq":
                broker: Rabbit = request.getfixturevalue("own_rabbit")
                await eventually(lambda: asyncio.to_thread(left_in_queues, broker), lambda left: left == 0)
            assert await world.verify_audit(world.tenant_id) > 0
    finally:
        await conn.close()
        await other.close()


def left_in_queues(broker: Rabbit) -> int:
    """Messages in all queues of the broker."""
    return sum(int(line) for line in broker.ctl("list_queues", "messages", "--quiet").split() if line.isdigit())


async def _life(owner: Owner) -> list[str]:
    """Somebody with an app, codes, a trusted browser and mail; the words by which they would be found."""
    number = f"+4477009{owner.helpdesk.now.microsecond % 100_000:05}"
    await owner.put(phone=number)
    factor = await owner.enrol()
    await owner.sign_in(factor, trust_device=True)
    await owner.notice("factor_added")
    seed = owner.seeds[factor]
    return [owner.account_id, owner.email, number, seed, base64.b32decode(seed).hex()]
