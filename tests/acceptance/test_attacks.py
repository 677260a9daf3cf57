"""What a thief would try through the front door: races, replays, budgets, and ways around an enrolment."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Iterable

import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person, World, code_in, is_code
from shared.ids import new_id
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

STEP = dt.timedelta(seconds=30)
AT_ONCE = 10


async def all_at_once(calls: Iterable[Awaitable[tuple[int, Json, object]]]) -> list[Json]:
    """The documents that come back, in order; none of them is a fault of ours."""
    answers = await asyncio.gather(*calls)
    assert not [status for status, _, _ in answers if status == 500]
    return [document for _, document, _ in answers]


async def challenge_of(helpdesk: Helpdesk, account_id: str, *, browser: str = "Firefox", **more: object) -> Json:
    """A challenge of a browser's own."""
    login = await helpdesk.login(account_id, context={"user_agent": browser}, **more)
    challenge: Json = login["challenge"]
    return challenge


async def proof_of(world: World, person: Person) -> str:
    """A step-up, passed with a backup code."""
    challenge = await challenge_of(world.helpdesk, person.account_id, purpose="step_up")
    await world.helpdesk.verify(challenge, backup_code=person.backup_codes.pop())
    return str(challenge["id"])


def verify(challenge: Json) -> str:
    """Where an answer to a challenge goes."""
    return f"/v1/challenges/{challenge['id']}/verify"


def wrong_codes(person: Person, now: dt.datetime, count: int) -> list[str]:
    """Codes of no step near."""
    near = {int(person.totp(now + number * STEP)) for number in range(-30, 31)}
    free = (number for number in range(100_000, 999_999, 7_919) if number not in near)
    return [f"{next(free):06}" for _ in range(count)]


async def test_a_thief_who_signs_in_with_the_owner_does_not_come_in_on_their_device(stack: Stack) -> None:
    """Under load both logins travel and are decided together."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        await helpdesk.move_clock(STEP)
        challenge = await challenge_of(helpdesk, "ann")
        trusted = (await helpdesk.verify(challenge, code=ann.totp(helpdesk.now), trust_device=True))["trusted_device"]
        plain = {"account_id": "ann", "first_factor": {"method": "password"}}
        owners = {**plain, "trusted_device_token": trusted["token"]}
        bodies = [plain, owners] * AT_ONCE
        answers = await all_at_once(helpdesk.ask("POST", "/v1/logins", body) for body in bodies)
        assert [answer["decision"] for answer in answers] == ["challenge", "allow"] * AT_ONCE


async def test_a_backup_code_in_two_browsers_at_once_opens_one(stack: Stack) -> None:
    """Who photographed the sheet is as fast as its owner."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        challenges = [await challenge_of(helpdesk, "ann", browser=name) for name in ("Firefox", "Chrome", "Safari")]
        body = {"backup_code": ann.backup_codes[0]}
        answers = await all_at_once(helpdesk.ask("POST", verify(challenge), body) for challenge in challenges)
        assert sum("assertion" in answer for answer in answers) == 1
        assert [each["code"] for each in answers if "assertion" not in each] == ["code_already_used"] * 2


async def test_a_challenge_is_passed_or_cancelled_and_never_both(stack: Stack) -> None:
    """A "cancel" that came a moment late must not leave a session behind that nobody sees."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        for _ in range(4):
            await helpdesk.move_clock(STEP)
            challenge = await challenge_of(helpdesk, "ann")
            verified, _ = await all_at_once(
                [
                    helpdesk.ask("POST", verify(challenge), {"code": ann.totp(helpdesk.now)}),
                    helpdesk.ask("POST", f"/v1/challenges/{challenge['id']}/cancel", {}),
                ]
            )
            seen = await helpdesk.call("GET", f"/v1/challenges/{challenge['id']}")
            assert seen["state"] == ("verified" if "assertion" in verified else "cancelled")


async def test_a_factor_confirmed_many_times_at_once_brings_one_set_of_backup_codes(stack: Stack) -> None:
    """Of two sets that are shown one is void, and nobody knows which."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await helpdesk.call("PUT", "/v1/accounts/ann", {"role": "agent"})
        started = await helpdesk.call("POST", "/v1/accounts/ann/factors", {"type": "totp"}, expect=201)
        ann = Person("ann", "", "", seed=started["totp"]["seed"])
        confirm = f"/v1/accounts/ann/factors/{started['factor']['id']}/confirm"
        body = {"code": ann.totp(helpdesk.now)}
        answers = await all_at_once(helpdesk.ask("POST", confirm, body) for _ in range(AT_ONCE))
        assert sum("backup_codes" in answer for answer in answers) == 1
        assert {each["code"] for each in answers if "backup_codes" not in each} == {"factor_not_pending"}


async def test_of_two_factors_removed_at_once_a_required_account_keeps_one(stack: Stack) -> None:
    """Each removal alone would leave another factor."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        await helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}})
        proof = await proof_of(world, ann)
        started = await helpdesk.call("POST", "/v1/accounts/ann/factors", {"type": "totp", "proof": proof}, expect=201)
        second = Person("ann", "", "", seed=started["totp"]["seed"])
        confirm = f"/v1/accounts/ann/factors/{started['factor']['id']}/confirm"
        await helpdesk.call("POST", confirm, {"code": second.totp(helpdesk.now)})
        factors = (await helpdesk.call("GET", "/v1/accounts/ann/factors"))["data"]
        paths = [f"/v1/accounts/ann/factors/{factor['id']}?proof={proof}" for factor in factors]
        answers = await all_at_once(helpdesk.ask("DELETE", path) for path in paths)
        assert sorted(str(answer.get("code")) for answer in answers) == ["None", "last_factor_required"]
        assert len((await helpdesk.call("GET", "/v1/accounts/ann/factors"))["data"]) == 1


async def test_three_challenges_at_once_are_no_three_budgets(stack: Stack) -> None:
    """Fifteen guesses, all at once: the account's throttle counts them together, and a new challenge ends no wait."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        await helpdesk.move_clock(STEP)
        challenges = [await challenge_of(helpdesk, "ann", browser=name) for name in ("Firefox", "Chrome", "Safari")]
        guesses = wrong_codes(ann, helpdesk.now, 15)
        answers = await all_at_once(
            helpdesk.ask("POST", verify(challenges[number % 3]), {"code": code}) for number, code in enumerate(guesses)
        )
        assert sum(answer["code"] == "code_wrong" for answer in answers) == 5
        assert {answer["code"] for answer in answers} <= {"code_wrong", "throttled", "challenge_exhausted"}
        right = {"code": ann.totp(helpdesk.now)}
        for challenge in challenges:
            status, document, headers = await helpdesk.ask("POST", verify(challenge), right)
            assert document["code"] in ("throttled", "challenge_exhausted")
            assert status != 429 or int(headers["Retry-After"]) <= 30


async def test_another_mail_is_no_other_budget(stack: Stack) -> None:
    """Five tries a challenge, however many codes were sent for it."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, world.ann
        await world.put_account(ann, "agent")
        started = await helpdesk.call("POST", "/v1/accounts/ann/factors", {"type": "email"}, expect=201)
        mail = await world.mail(ann, is_code)
        confirm = f"/v1/accounts/ann/factors/{started['factor']['id']}/confirm"
        await helpdesk.call("POST", confirm, {"code": code_in(mail.subject)})
        seen = len(world.mailbox.messages)
        challenge = await challenge_of(helpdesk, "ann")
        code = int(code_in((await world.mail(ann, is_code, after=seen)).subject))
        left = []
        for number in range(1, 4):
            refusal = await helpdesk.refused(
                "POST", verify(challenge), {"code": f"{(code + number) % 1_000_000:06}"}, "code_wrong"
            )
            left.append(refusal["attempts_left"])
            await helpdesk.move_clock(dt.timedelta(minutes=2))
            sent = {"factor_id": challenge["factors"][0]["factor_id"]}
            await helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/send", sent, expect=202)
        assert left == [4, 3, 2]


async def test_a_code_is_worth_nothing_at_another_challenge_account_or_tenant(stack: Stack) -> None:
    """What was seen over a shoulder opens what it was made for, if anything."""
    async with open_world(stack) as world, open_world(stack) as elsewhere:
        helpdesk, set_up_at = world.helpdesk, world.helpdesk.now
        ann = await enrolled(helpdesk, "ann")
        await enrolled(helpdesk, "ben")
        await enrolled(elsewhere.helpdesk, "ann")
        await helpdesk.refused(
            "POST", verify(await challenge_of(helpdesk, "ann")), {"code": ann.totp(set_up_at)}, "code_already_used"
        )  # the set-up's own, or of the step before it
        await helpdesk.move_clock(STEP)
        await elsewhere.helpdesk.move_clock(STEP)
        code, backup_code = ann.totp(helpdesk.now), ann.backup_codes[0]
        for others, account_id in ((helpdesk, "ben"), (elsewhere.helpdesk, "ann")):
            challenge = await challenge_of(others, account_id)
            for body in ({"code": code}, {"backup_code": backup_code}):
                await others.refused("POST", verify(challenge), body, "code_wrong")
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), code=code)


async def test_an_idempotency_key_repeats_its_own_request_and_no_other(stack: Stack) -> None:
    """A key that is reused by mistake, or on purpose, must not bring the answer of somebody else's request."""
    async with open_world(stack) as world, open_world(stack) as elsewhere:
        key, helpdesk = str(new_id()), world.helpdesk
        for account_id in ("ann", "ben"):
            await helpdesk.call("PUT", f"/v1/accounts/{account_id}", {"role": "agent"})
        await elsewhere.helpdesk.call("PUT", "/v1/accounts/ann", {"role": "agent"})
        path, body = "/v1/accounts/ann/factors", {"type": "totp"}
        first = await helpdesk.call("POST", path, body, expect=201, key=key)
        assert await helpdesk.call("POST", path, body, expect=201, key=key) == first
        _, other_body, _ = await helpdesk.ask("POST", path, {**body, "name": "mine"}, key=key)
        assert other_body["code"] == "idempotency_key_reused"
        others = [
            await helpdesk.call("POST", "/v1/accounts/ben/factors", body, expect=201, key=key),
            await elsewhere.helpdesk.call("POST", path, body, expect=201, key=key),
        ]
        assert len({each["totp"]["seed"] for each in (first, *others)}) == 3


async def test_a_stolen_password_adds_no_factor_beside_the_owners(stack: Stack) -> None:
    """Begun before the owner enrolled, by another account's proof, by a trusted device, or by a mailbox: no."""
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, "/v1/accounts/ann/factors"
        await world.put_account(world.ann, "agent")
        begun = await helpdesk.call("POST", factors, {"type": "sms", "destination": "+447700900199"}, expect=201)
        ann, ben = await enrolled(helpdesk, "ann"), await enrolled(helpdesk, "ben")
        confirm = f"{factors}/{begun['factor']['id']}/confirm"
        await helpdesk.refused("POST", confirm, {"code": "123456"}, "factor_not_pending")
        await helpdesk.refused("POST", factors, {"type": "totp"}, "proof_required")
        of_ben = await proof_of(world, ben)
        await helpdesk.refused("POST", factors, {"type": "totp", "proof": of_ben}, "proof_required")
        still_open = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", factors, {"type": "totp", "proof": still_open["id"]}, "proof_required")
        proof = await proof_of(world, ann)
        await helpdesk.call("POST", factors, {"type": "totp", "proof": proof}, expect=201)
        await helpdesk.move_clock(dt.timedelta(minutes=10))
        await helpdesk.refused("POST", factors, {"type": "sms", "proof": proof}, "proof_required")
