"""A helpdesk that lost an answer asks again with the same key: it gets that answer, and nothing is decided twice."""

import asyncio
import datetime as dt

import asyncpg
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person, World
from shared.ids import new_id
from shared.messaging.answers import ANSWER_LIFETIME, SECRET_LIFETIME
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

STEP = dt.timedelta(seconds=30)
MINUTE = dt.timedelta(minutes=1)
LOGIN: Json = {"account_id": "ann", "first_factor": {"method": "password"}}
FACTORS = "/v1/accounts/ann/factors"


async def _post(helpdesk: Helpdesk, path: str, body: Json, key: str) -> tuple[int, Json]:
    status, document, _ = await helpdesk.ask("POST", path, body, key=key)
    return status, {name: value for name, value in document.items() if name != "request_id"}


async def _challenged(world: World) -> tuple[Person, str]:
    """Somebody in the middle of a login, and where the code goes."""
    person = await enrolled(world.helpdesk, "ann")
    await world.helpdesk.move_clock(STEP)
    login = await world.helpdesk.login("ann")
    return person, f"/v1/challenges/{login['challenge']['id']}/verify"


async def _let_answers_age(stack: Stack, world: World, age: dt.timedelta) -> None:
    """Answers live by system time, which no sandbox moves: make them older instead."""
    conn = await asyncpg.connect(stack.dsn)
    try:
        moved = "UPDATE bus.answers SET answered_at = answered_at - $2::interval WHERE tenant_id = $1"
        assert await conn.execute(moved, world.tenant_id, age) != "UPDATE 0"
    finally:
        await conn.close()


async def test_a_verification_repeated_is_the_same_assertion(stack: Stack) -> None:
    """The code is used up: without the stored answer, whoever lost it would be refused although the code was right."""
    async with open_world(stack) as world:
        person, path = await _challenged(world)
        body, key = {"code": person.totp(world.helpdesk.now)}, str(new_id())
        first = await _post(world.helpdesk, path, body, key)
        assert first[0] == 200
        assert "assertion" in first[1]
        assert await _post(world.helpdesk, path, body, key) == first
        status, refused = await _post(world.helpdesk, path, body, str(new_id()))
        assert (status, refused["code"]) == (422, "code_already_used")


async def test_a_wrong_code_repeated_costs_one_attempt(stack: Stack) -> None:
    """A retry of the network is no second guess of the person."""
    async with open_world(stack) as world:
        person, path = await _challenged(world)
        wrong, key = {"code": f"{(int(person.totp(world.helpdesk.now)) + 271_828) % 1_000_000:06}"}, str(new_id())
        answers = [await _post(world.helpdesk, path, wrong, key) for _ in range(6)]
        assert answers == [answers[0]] * 6
        assert (answers[0][1]["code"], answers[0][1]["attempts_left"]) == ("code_wrong", 4)


async def test_one_request_sent_twenty_times_at_once_is_one(stack: Stack) -> None:
    """An impatient client, or a proxy that repeats: one challenge, one mail."""
    async with open_world(stack) as world:
        mails = await _enrol_by_mail(world)
        key = str(new_id())
        answers = await asyncio.gather(*(_post(world.helpdesk, "/v1/logins", LOGIN, key) for _ in range(20)))
        assert answers == [answers[0]] * 20
        assert answers[0][0] == 200
        await world.mail(world.ann, lambda _: True, after=mails)
        sent = await world.helpdesk.call("GET", f"/v1/challenges/{answers[0][1]['challenge']['id']}")
        assert len(sent["deliveries"]) == 1


async def _enrol_by_mail(world: World) -> int:
    """Ann's only factor is her mailbox; how many mails there are by then."""
    body = {"role": "agent", "email": world.ann.email, "email_verified": True}
    await world.helpdesk.call("PUT", "/v1/accounts/ann", body)
    before = len(world.mailbox.messages)
    made = await world.helpdesk.call("POST", FACTORS, {"type": "email"}, expect=201)
    mail = await world.mail(world.ann, lambda _: True, after=before)
    confirm = f"{FACTORS}/{made['factor']['id']}/confirm"
    await world.helpdesk.call("POST", confirm, {"code": mail.subject.split()[0]})
    await world.mail(world.ann, lambda each: not each.subject[:1].isdigit(), after=before)  # the notice of it
    return len(world.mailbox.messages)


async def test_another_body_under_the_same_key_is_refused_and_does_nothing(stack: Stack) -> None:
    """A key used twice by mistake must not give one person the answer to another one's login."""
    async with open_world(stack) as world:
        person, path = await _challenged(world)
        right = person.totp(world.helpdesk.now)
        wrong, key = f"{(int(right) + 271_828) % 1_000_000:06}", str(new_id())
        await _post(world.helpdesk, path, {"code": wrong}, key)
        status, refused = await _post(world.helpdesk, path, {"code": right}, key)
        assert (status, refused["code"]) == (422, "idempotency_key_reused")
        assert "assertion" in (await _post(world.helpdesk, path, {"code": right}, str(new_id())))[1]


async def test_a_key_belongs_to_its_path_and_its_tenant(stack: Stack) -> None:
    """Two helpdesks that both count from 1 must not hear each other's answers."""
    async with open_world(stack) as acme, open_world(stack, name="Other Helpdesk") as other:
        for world in (acme, other):
            await enrolled(world.helpdesk, "ann")
        here, there = [await _post(world.helpdesk, "/v1/logins", LOGIN, "1") for world in (acme, other)]
        assert here[0] == there[0] == 200
        assert here[1]["challenge"]["id"] != there[1]["challenge"]["id"]
        cancel = f"/v1/challenges/{here[1]['challenge']['id']}/cancel"
        assert (await _post(acme.helpdesk, cancel, {}, "1"))[1]["state"] == "cancelled"


async def test_an_answer_that_holds_a_secret_is_given_for_ten_minutes(stack: Stack) -> None:
    """A seed that could be read again for a day would be a second copy of the factor."""
    async with open_world(stack) as world:
        body = {"role": "agent", "email": world.ann.email, "email_verified": True}
        await world.helpdesk.call("PUT", "/v1/accounts/ann", body)
        key = str(new_id())
        first = await _post(world.helpdesk, FACTORS, {"type": "totp"}, key)
        await _let_answers_age(stack, world, SECRET_LIFETIME - MINUTE)
        assert await _post(world.helpdesk, FACTORS, {"type": "totp"}, key) == first
        await _let_answers_age(stack, world, MINUTE)
        status, refused = await _post(world.helpdesk, FACTORS, {"type": "totp"}, key)
        assert (status, refused["code"]) == (409, "already_answered")
        assert first[1]["totp"]["seed"] not in str(refused)
        listed = await world.helpdesk.call("GET", FACTORS)
        assert [factor["id"] for factor in listed["data"]] == [first[1]["factor"]["id"]]


async def test_any_other_answer_is_given_for_a_day(stack: Stack) -> None:
    """A backend that was down over night asks again in the morning."""
    async with open_world(stack) as world:
        await enrolled(world.helpdesk, "ann")
        key = str(new_id())
        first = await _post(world.helpdesk, "/v1/logins", LOGIN, key)
        await _let_answers_age(stack, world, ANSWER_LIFETIME - MINUTE)
        assert await _post(world.helpdesk, "/v1/logins", LOGIN, key) == first
