"""Kill -9 of every service during logins: nothing is lost, nothing is accepted twice."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import aiohttp
import asyncpg
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person, World
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.stack import SERVICES, Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(420)]

ACCOUNTS = 100
ROUNDS = 10  # of a login by every account: 1,000 logins
AT_ONCE = 16
ENROLMENTS_AT_ONCE = 4  # each hashes ten backup codes
STEP = dt.timedelta(seconds=30)
GIVEN_UP_AFTER = 60.0  # seconds that a client tries the same key again


async def _retried(helpdesk: Helpdesk, path: str, body: Json) -> Json:
    """As the documentation tells an integrator: the same key again until there is an answer."""
    key = str(new_id())
    async with asyncio.timeout(GIVEN_UP_AFTER):
        while True:
            try:
                status, document, _ = await helpdesk.send("POST", path, body, key=key)
            except (aiohttp.ClientError, TimeoutError):
                status, document = 503, {}
            if status != 503:
                assert status == 200, document
                return document
            await asyncio.sleep(0.05)


async def _enrol(world: World, account_id: str, gate: asyncio.Semaphore) -> Person:
    async with gate:
        return await enrolled(world.helpdesk, account_id)


async def _sign_in(world: World, person: Person, now: dt.datetime, gate: asyncio.Semaphore) -> str:
    async with gate:
        body = {"account_id": person.account_id, "first_factor": {"method": "password"}}
        login = await _retried(world.helpdesk, "/v1/logins", body)
        challenge: str = login["challenge"]["id"]
        verified = await _retried(world.helpdesk, f"/v1/challenges/{challenge}/verify", {"code": person.totp(now)})
        assert "assertion" in verified
        return challenge


async def _kill_in_turn(stack: Stack, names: Sequence[str]) -> None:
    for name in names:
        await asyncio.sleep(0.7)  # into the middle of the logins: the fault's schedule, not a wait for a result
        stack.kill(name)
        stack.start(name)
        await stack.wait_ready(name)


async def test_a_thousand_logins_survive_kill_nine_of_every_service(own_stack: Stack) -> None:
    """People keep signing in while machines die; each login ends verified, and was accepted once."""
    async with open_world(own_stack) as world:
        gate, door = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(ENROLMENTS_AT_ONCE)
        people = await asyncio.gather(*(_enrol(world, f"agent-{number}", door) for number in range(ACCOUNTS)))
        killer: asyncio.Task[None] | None = None
        challenges: list[str] = []
        for _ in range(ROUNDS):
            await _move_clock(world)
            killer = killer or asyncio.create_task(_kill_in_turn(own_stack, list(SERVICES)))
            now = world.helpdesk.now
            challenges += await asyncio.gather(*(_sign_in(world, person, now, gate) for person in people))
        assert killer is not None
        await killer

        assert len(set(challenges)) == ACCOUNTS * ROUNDS
        await _everything_is_in_the_audit_log(own_stack, world, challenges)


async def _move_clock(world: World) -> None:
    """Retried like any other request: the key makes the clock move once."""
    await _retried(world.helpdesk, "/v1/sandbox/clock", {"advance_seconds": int(STEP.total_seconds())})
    world.helpdesk.moved(STEP)


async def _everything_is_in_the_audit_log(stack: Stack, world: World, challenges: Sequence[str]) -> None:
    conn = await asyncpg.connect(stack.dsn)
    try:

        async def missing() -> int:
            count: int = await conn.fetchval(
                """
                SELECT count(*) FROM bus.outbox AS o
                 WHERE o.exchange = 'deskfactor.events' AND o.tenant_id = $1
                   AND NOT EXISTS (SELECT FROM audit.entries AS e WHERE e.tenant_id = $1 AND e.entry_id = o.message_id)
                """,
                world.tenant_id,
            )
            return count

        await eventually(missing, lambda count: count == 0, within=60)
        verified = await conn.fetchval(
            "SELECT count(*) FROM audit.entries WHERE tenant_id = $1 AND kind = 'challenge.verified'", world.tenant_id
        )
        accepted = await conn.fetch(
            "SELECT challenge_id FROM otp.challenges WHERE tenant_id = $1 AND verified_at IS NOT NULL", world.tenant_id
        )
    finally:
        await conn.close()
    assert set(challenges) <= {str(row["challenge_id"]) for row in accepted}
    assert verified == len(accepted) == len(challenges) + ACCOUNTS  # each enrolment verified its own challenge
    assert await world.verify_audit(world.tenant_id) >= verified
