"""A code is good once, whoever sends it how often; an authenticator that is not ours is understood."""

import asyncio
import datetime as dt

import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import World
from shared.ids import new_id
from tests.support.api_people import wrong_codes
from tests.support.backend import to_the_start_of_a_step
from tests.support.eventually import eventually
from tests.support.oathtool import totp
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

STEP = dt.timedelta(seconds=30)
RACES = 6


async def _challenge(helpdesk: Helpdesk, account_id: str) -> Json:
    challenge: Json = (await helpdesk.login(account_id))["challenge"]
    return challenge


async def _try(world: World, challenge: Json, code: str) -> Json:
    """One try. On a busy machine 503 may come first: the same key again, as the documentation says."""
    path, key = f"/v1/challenges/{challenge['id']}/verify", str(new_id())
    _, document, _ = await eventually(
        lambda: world.helpdesk.send("POST", path, {"code": code}, key=key), lambda answer: answer[0] != 503
    )
    return document


async def test_an_authenticator_that_we_did_not_write_is_accepted(stack: Stack) -> None:
    """Both sides must mean the same RFC 6238: oathtool shares no line with us."""
    async with open_world(stack) as world:
        person = await enrolled(world.helpdesk, "ann")
        await world.helpdesk.move_clock(STEP)
        code = totp(person.seed, at=world.helpdesk.now)
        verified = await world.helpdesk.verify(await _challenge(world.helpdesk, "ann"), code=code)
        assert verified["method"] == "totp"


async def test_the_same_code_sent_fifty_times_at_once_succeeds_once(stack: Stack) -> None:
    """A stolen code that races its owner must not open a second session. One race may go well by chance: six."""
    async with open_world(stack) as world:
        people = [await enrolled(world.helpdesk, f"agent-{number}") for number in range(RACES)]
        await world.helpdesk.move_clock(STEP)
        for person in people:
            challenge = await _challenge(world.helpdesk, person.account_id)
            code = person.totp(world.helpdesk.now)
            answers = await asyncio.gather(*(_try(world, challenge, code) for _ in range(50)))

            assert sum("assertion" in answer for answer in answers) == 1
            assert {answer["code"] for answer in answers if "assertion" not in answer} <= {
                "code_already_used",
                "challenge_not_open",
            }


async def test_of_forty_wrong_codes_at_once_at_most_five_are_judged(stack: Stack) -> None:
    """Forty connections are no way around the budget of attempts."""
    async with open_world(stack) as world:
        person = await enrolled(world.helpdesk, "ann")
        await world.helpdesk.move_clock(STEP)
        wrong = wrong_codes(person.seed, world.helpdesk.now, 40)
        challenge = await _challenge(world.helpdesk, "ann")
        answers = await asyncio.gather(*(_try(world, challenge, code) for code in wrong))

        judged = [answer for answer in answers if answer["code"] == "code_wrong"]
        assert 1 <= len(judged) <= 5
        assert all("assertion" not in answer for answer in answers)
        assert {answer["code"] for answer in answers} <= {
            "code_wrong",
            "challenge_exhausted",
            "challenge_not_open",
            "throttled",
        }


async def test_a_code_of_an_earlier_step_is_dead_once_a_later_one_was_accepted(stack: Stack) -> None:
    """Code A, then the next step's code B, then A again: remembering only the last code would accept it."""
    async with open_world(stack) as world:
        person = await enrolled(world.helpdesk, "ann")
        await world.helpdesk.move_clock(STEP)
        await to_the_start_of_a_step(world.helpdesk)  # two steps later code A would be a wrong one
        code_a = person.totp(world.helpdesk.now)
        await world.helpdesk.verify(await _challenge(world.helpdesk, "ann"), code=code_a)
        await world.helpdesk.move_clock(STEP)
        code_b = person.totp(world.helpdesk.now)
        await world.helpdesk.verify(await _challenge(world.helpdesk, "ann"), code=code_b)

        again = await _try(world, await _challenge(world.helpdesk, "ann"), code_a)
        assert again["code"] == "code_already_used"
