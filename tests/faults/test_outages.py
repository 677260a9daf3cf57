"""A dependency is away: the answer comes at once and says when to come again, and all is well when it is back."""

import asyncio
import statistics
from functools import partial
from http import HTTPStatus

import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person
from services.cli.embedded.postgres import Postgres
from services.cli.simulators.received_mail import ReceivedMail
from shared.clock import monotonic
from tests.faults.test_crashes import STEP
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.rabbitmq import Rabbit
from tests.support.stack import SERVICES, Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

LOGIN: Json = {"account_id": "ann", "first_factor": {"method": "password"}}
AT_ONCE = 1.0  # seconds: the promise for a dependency that is known to be down


async def _login(helpdesk: Helpdesk) -> tuple[int, float, str | None]:
    started = monotonic()
    status, _, headers = await helpdesk.send("POST", "/v1/logins", LOGIN)
    return status, monotonic() - started, headers.get("Retry-After")


async def _answers_503_within_a_second(helpdesk: Helpdesk) -> None:
    await eventually(lambda: _login(helpdesk), lambda seen: seen[0] == HTTPStatus.SERVICE_UNAVAILABLE)
    for _ in range(5):
        status, seconds, retry_after = await _login(helpdesk)
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert seconds < AT_ONCE
        assert retry_after is not None


async def test_database_down_is_503_and_works_again_by_itself(own_stack: Stack, own_postgres: Postgres) -> None:
    """Fail closed, and say so: never "no second factor" because a database is away."""
    async with open_world(own_stack) as world:
        await enrolled(world.helpdesk, "ann")
        own_postgres.kill()
        await _answers_503_within_a_second(world.helpdesk)
        own_postgres.start()
        status, _, _ = await eventually(
            lambda: _login(world.helpdesk), lambda seen: seen[0] == HTTPStatus.OK, within=60
        )
        assert status == HTTPStatus.OK


async def test_broker_down_is_503_and_works_again_by_itself(own_stack: Stack, own_rabbit: Rabbit) -> None:
    """The same for the broker, as long as requests have one route only."""
    async with open_world(own_stack) as world:
        person = await enrolled(world.helpdesk, "ann")
        own_rabbit.kill()
        await _answers_503_within_a_second(world.helpdesk)
        own_rabbit.start_node()
        await eventually(lambda: _login(world.helpdesk), lambda seen: seen[0] == HTTPStatus.OK, within=60)
        for name in SERVICES:
            await own_stack.wait_ready(name)
        await world.helpdesk.move_clock(STEP)
        login = await world.helpdesk.login("ann")
        await world.helpdesk.verify(login["challenge"], code=person.totp(world.helpdesk.now))
        assert await world.verify_audit(world.tenant_id) > 0


async def test_a_slow_mail_server_slows_nobody_elses_verification(own_stack: Stack) -> None:
    """A mail server that takes 3 s an answer holds up its own mails and nothing else."""
    async with open_world(own_stack) as world:
        people = [await enrolled(world.helpdesk, f"agent-{number}") for number in range(20)]
        mailed = await _mail_people(world.helpdesk, own_stack, 20)

        alone = await _verify_latencies(world.helpdesk, people)
        own_stack.mailbox.answer_delay = 3.0
        logins = [asyncio.create_task(world.helpdesk.login(account)) for account in mailed]
        beside = await _verify_latencies(world.helpdesk, people)
        await asyncio.gather(*logins)

        ratio = statistics.median(beside) / statistics.median(alone)
        print(f"median verify beside the slow mail server: {ratio:.2f} x alone")
        assert max(beside) < 3.0


async def _mail_people(helpdesk: Helpdesk, stack: Stack, count: int) -> list[str]:
    """Accounts whose only factor is a mailbox: their logins mail at once."""
    names = [f"customer-{number}" for number in range(count)]
    for name in names:
        body = {"role": "customer", "email": f"{name}@acme.example", "email_verified": True}
        await helpdesk.call("PUT", f"/v1/accounts/{name}", body)
        path = f"/v1/accounts/{name}/factors"
        answer = await helpdesk.call("POST", path, {"type": "email", "destination": body["email"]}, expect=201)
        address = f"{name}@acme.example"
        mail = await stack.mailbox.wait_for(partial(_is_to, address))
        await helpdesk.call("POST", f"{path}/{answer['factor']['id']}/confirm", {"code": mail.subject.split()[0]})
    return names


def _is_to(address: str, mail: ReceivedMail) -> bool:
    return mail.to == address


async def _verify_latencies(helpdesk: Helpdesk, people: list[Person]) -> list[float]:
    await helpdesk.move_clock(STEP)
    seconds = []
    for person in people:
        login = await helpdesk.login(person.account_id)
        code = person.totp(helpdesk.now)
        started = monotonic()
        await helpdesk.verify(login["challenge"], code=code)
        seconds.append(monotonic() - started)
    return seconds
