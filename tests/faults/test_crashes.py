"""Kill -9 of every service during logins: nothing is lost, nothing is accepted twice."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class _Round:
    """A login of every account, and what is under way when a service dies."""

    world: World
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    half_done: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    done: int = 0
    repeated: int = 0  # requests that got no answer or a 503, and were sent again

    async def sign_in(self, person: Person) -> str:
        """A login and its verification, each repeated under its key until it is answered; the challenge's id."""
        async with self.gate:
            self.begun += 1
            body = {"account_id": person.account_id, "first_factor": {"method": "password"}}
            login = await self.retried("/v1/logins", body)
            challenge: str = login["challenge"]["id"]
            code = person.totp(self.world.helpdesk.now)  # of now: before a slow machine has half of them in, it changes
            verified = await self.retried(f"/v1/challenges/{challenge}/verify", {"code": code})
            assert "assertion" in verified
            self.done += 1
            if self.done == ACCOUNTS // 2:
                self.half_done.set()
            return challenge

    async def retried(self, path: str, body: Json) -> Json:
        """As the documentation tells an integrator: the same key again until there is an answer."""
        key = str(new_id())
        async with asyncio.timeout(GIVEN_UP_AFTER):
            while True:
                try:
                    status, document, _ = await self.world.helpdesk.send("POST", path, body, key=key)
                except (aiohttp.ClientError, TimeoutError):
                    status, document = 503, {}
                if status != 503:
                    assert status == 200, document
                    return document
                self.repeated += 1
                await asyncio.sleep(0.05)

    async def kill(self, stack: Stack, name: str) -> int:
        """Kill a service when half of the logins are done; how many were under way in that moment."""
        await self.half_done.wait()
        stack.kill(name)
        under_way = self.begun - self.done
        stack.start(name)
        await stack.wait_ready(name)
        return under_way


async def test_a_thousand_logins_survive_kill_nine_of_every_service(own_stack: Stack) -> None:
    """People keep signing in while machines die; each login ends verified, and was accepted once."""
    async with open_world(own_stack) as world:
        people = await _everybody(world.helpdesk)
        challenges: list[str] = []
        for victim in [*SERVICES, *[None] * (ROUNDS - len(SERVICES))]:
            turn = _Round(world)
            await turn.retried("/v1/sandbox/clock", {"advance_seconds": int(STEP.total_seconds())})
            world.helpdesk.moved(STEP)
            async with asyncio.TaskGroup() as tasks:
                logins = [tasks.create_task(turn.sign_in(person)) for person in people]
                killed = tasks.create_task(turn.kill(own_stack, victim)) if victim else None
            challenges += [login.result() for login in logins]
            if killed is not None:
                print(f"{victim} killed in {killed.result()} logins; {turn.repeated} requests repeated")
                assert killed.result() > 0

        assert len(set(challenges)) == ACCOUNTS * ROUNDS
        await _everything_is_in_the_audit_log(own_stack, world, challenges)


async def _everybody(helpdesk: Helpdesk) -> list[Person]:
    door = asyncio.Semaphore(ENROLMENTS_AT_ONCE)

    async def enrol(number: int) -> Person:
        async with door:
            return await enrolled(helpdesk, f"agent-{number}")

    return await asyncio.gather(*map(enrol, range(ACCOUNTS)))


async def _everything_is_in_the_audit_log(stack: Stack, world: World, challenges: Sequence[str]) -> None:
    conn = await asyncpg.connect(stack.dsn)
    try:

        async def missing() -> int:
            """Messages still to be published, and events that the audit log lacks."""
            count: int = await conn.fetchval(
                """
                SELECT count(*) FROM bus.outbox AS o
                 WHERE o.tenant_id = $1
                   AND (o.published_at IS NULL
                        OR (o.exchange = 'deskfactor.events'
                            AND NOT EXISTS (SELECT FROM audit.entries AS e
                                             WHERE e.tenant_id = $1 AND e.entry_id = o.message_id)))
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
        dead = await conn.fetchval("SELECT count(*) FROM bus.dead_letters")
    finally:
        await conn.close()
    assert set(challenges) <= {str(row["challenge_id"]) for row in accepted}
    assert verified == len(accepted) == len(challenges) + ACCOUNTS  # each enrolment verified its own challenge
    assert dead == 0
    assert await world.verify_audit(world.tenant_id) >= verified
