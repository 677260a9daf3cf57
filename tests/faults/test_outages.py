"""A dependency is away: the answer comes at once and says when to come again, and all is well when it is back."""

import asyncio
import statistics
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import asyncpg
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person, World
from services.cli.embedded.postgres import Postgres
from services.cli.simulators.received_mail import ReceivedMail
from shared.clock import monotonic
from shared.ids import new_id
from tests.faults.test_crashes import STEP
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.rabbitmq import Rabbit
from tests.support.stack import SERVICES, Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

LOGIN: Json = {"account_id": "ann", "first_factor": {"method": "password"}}
AT_ONCE = 1.0  # seconds: the promise for a dependency that is known to be down
MAILED = 20  # people whose mails are under way while others sign in


async def _answers_503_within_a_second(helpdesk: Helpdesk, key: str) -> None:
    """From the first request on: a killed server closes its connections, so that all know of it."""
    slowest = 0.0
    for _ in range(10):
        started = monotonic()
        status, problem, headers = await helpdesk.send("POST", "/v1/logins", LOGIN, key=key)
        slowest = max(slowest, monotonic() - started)
        assert (status, problem["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
        assert int(headers["Retry-After"]) > 0
    print(f"the slowest 503 of ten took {slowest * 1000:.0f} ms")
    assert slowest < AT_ONCE


async def _works_again(stack: Stack, world: World, person: Person, key: str) -> None:
    """The same request is answered; the others' services are back, and what happens is on the record."""
    started = monotonic()
    _, login, _ = await eventually(
        lambda: world.helpdesk.send("POST", "/v1/logins", LOGIN, key=key),
        lambda seen: seen[0] == HTTPStatus.OK,
        within=60,
    )
    print(f"works again after {monotonic() - started:.1f} s")
    for name in SERVICES:
        await stack.wait_ready(name)
    await world.helpdesk.move_clock(STEP)
    await world.helpdesk.verify(login["challenge"], code=person.totp(world.helpdesk.now))

    async def kinds() -> set[str]:
        entries = await world.helpdesk.call("GET", f"/v1/accounts/{person.account_id}/timeline")
        return {entry["type"] for entry in entries["data"]}

    await eventually(kinds, lambda seen: "challenge.verified" in seen, within=60)
    assert await world.verify_audit(world.tenant_id) > 0


@pytest.mark.parametrize("own_stack", ["postgres", "rabbitmq"], indirect=True)
async def test_database_down_is_503_and_works_again_by_itself(own_stack: Stack, own_postgres: Postgres) -> None:
    """Fail closed, and say so: never "no second factor" because a database is away."""
    async with open_world(own_stack) as world:
        person, key = await enrolled(world.helpdesk, "ann"), str(new_id())
        own_postgres.kill()
        await _answers_503_within_a_second(world.helpdesk, key)
        own_postgres.start()
        await _works_again(own_stack, world, person, key)


async def test_broker_down_is_503_and_works_again_by_itself(own_stack: Stack, own_rabbit: Rabbit) -> None:
    """The same for the broker, as long as requests have one route only."""
    async with open_world(own_stack) as world:
        person, key = await enrolled(world.helpdesk, "ann"), str(new_id())
        own_rabbit.kill()
        await _answers_503_within_a_second(world.helpdesk, key)
        own_rabbit.start_node()
        await _works_again(own_stack, world, person, key)


async def test_a_slow_mail_server_slows_nobody_elses_verification(own_stack: Stack) -> None:
    """A mail server that takes 5 s an answer holds up its own mails and nothing else."""
    mailbox = own_stack.mailbox
    async with open_world(own_stack) as world:
        people = [await enrolled(world.helpdesk, f"agent-{number}") for number in range(20)]
        mailed = await _mail_people(world.helpdesk, own_stack)
        await _verify_latencies(world.helpdesk, people)  # the first ones open connections and fill caches
        alone = await _verify_latencies(world.helpdesk, people)

        mailbox.answer_delay = 5.0
        arrived = len(mailbox.messages)
        await asyncio.gather(*(world.helpdesk.login(account) for account in mailed))
        await eventually(lambda: _mails_under_way(own_stack), lambda count: count > 0)
        beside = await _verify_latencies(world.helpdesk, people)
        assert await _mails_under_way(own_stack) > 0  # they were, all the while
        assert len(mailbox.messages) == arrived  # so no verification waited for any of them

        print(f"median verify beside the slow mail server: {_milliseconds(beside)}, alone {_milliseconds(alone)},")
        print(f"ratio {statistics.median(beside) / statistics.median(alone):.2f}")
        mailbox.answer_delay = 0.0
        for account in mailed:
            await mailbox.wait_for(partial(_is_new_to, account, {id(mail) for mail in mailbox.messages[:arrived]}), 60)


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms (slowest {max(seconds) * 1000:.1f})"


async def _mails_under_way(stack: Stack) -> int:
    """Deliveries that a mail server was asked to take and has not answered."""
    conn = await asyncpg.connect(stack.dsn)
    try:
        count: int = await conn.fetchval("SELECT count(*) FROM notifier.deliveries WHERE state = 'sending'")
        return count
    finally:
        await conn.close()


async def _mail_people(helpdesk: Helpdesk, stack: Stack) -> list[str]:
    """Accounts whose only factor is a mailbox: their logins mail at once."""
    names = [f"customer-{number}" for number in range(MAILED)]
    for name in names:
        body = {"role": "customer", "email": f"{name}@acme.example", "email_verified": True}
        await helpdesk.call("PUT", f"/v1/accounts/{name}", body)
        path = f"/v1/accounts/{name}/factors"
        answer = await helpdesk.call("POST", path, {"type": "email", "destination": body["email"]}, expect=201)
        mail = await stack.mailbox.wait_for(partial(_is_new_to, name, frozenset()))
        await helpdesk.call("POST", f"{path}/{answer['factor']['id']}/confirm", {"code": mail.subject.split()[0]})
    return names


def _is_new_to(account: str, known: set[int] | frozenset[int], mail: ReceivedMail) -> bool:
    return mail.to == f"{account}@acme.example" and id(mail) not in known


async def _verify_latencies(helpdesk: Helpdesk, people: Sequence[Person]) -> list[float]:
    """Seconds that each person's verification took."""
    await helpdesk.move_clock(STEP)
    seconds = []
    for person in people:
        login = await helpdesk.login(person.account_id)
        code = person.totp(helpdesk.now)
        started = monotonic()
        await helpdesk.verify(login["challenge"], code=code)
        seconds.append(monotonic() - started)
    return seconds
