"""Rows 6 to 9 of docs/features.md: codes by SMS and by mail, and how often they are sent."""

import re

import pytest

from tests.support.backend import (
    HOUR,
    SECOND,
    STEP,
    add_app,
    add_channel,
    challenge_of,
    code_of,
    codes,
    instant,
    messages,
    path_of,
    proof_of,
    put,
    start,
    status,
    verifying,
)
from tests.support.eventually import eventually
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

MOBILE = "+447700900123"
LANDLINE = "+442079460123"
LESS_SECURE = "Less secure than an app: numbers can be taken over."
SPACING = (30, 60, 120)  # seconds


async def test_row_06_codes_by_sms_are_six_digits_to_a_mobile_and_an_app_comes_first(stack: Stack) -> None:
    """An SMS can be read by others on its way: who signs in with an app goes on being asked for the app."""
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, path_of("ann", "factors")
        await put(helpdesk, "ann")
        await helpdesk.refused("POST", factors, {"type": "sms", "destination": LANDLINE}, "phone_not_mobile")
        methods = {each["type"]: each for each in (await helpdesk.call("GET", "/v1/policy"))["methods"]}
        assert (methods["totp"]["strength"], methods["totp"]["advice"]) == ("strong", None)
        assert (methods["sms"]["strength"], methods["sms"]["advice"]) == ("less_secure", LESS_SECURE)
        app, app_confirmed = await add_app(helpdesk, "ann")
        proof = await proof_of(helpdesk, app)
        confirmed = await add_channel(helpdesk, "ann", "sms", destination=MOBILE, proof=proof)
        assert MOBILE not in str(confirmed)
        assert (confirmed["factor"]["strength"], confirmed["factor"]["advice"]) == ("less_secure", LESS_SECURE)
        await helpdesk.move_clock(STEP)
        by_app = await challenge_of(helpdesk, "ann")
        await code_of(helpdesk, "ann", after=1)  # which she does not use; it left because her phone was proved last
        await helpdesk.verify(by_app, code=app.totp(helpdesk.now), factor_id=app_confirmed["factor"]["id"])

        challenge = await challenge_of(helpdesk, "ann")
        assert [factor["type"] for factor in challenge["factors"]] == ["totp", "sms"]
        assert [factor["strength"] for factor in challenge["factors"]] == ["strong", "less_secure"]
        assert [factor["advice"] for factor in challenge["factors"]] == [None, LESS_SECURE]
        assert challenge["sent_to"] is None
        before = len(await codes(helpdesk, "ann"))
        by_sms = {"factor_id": challenge["factors"][1]["factor_id"]}
        await helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/send", by_sms, expect=202)
        code = await code_of(helpdesk, "ann", after=before)
        [sms] = [each for each in await messages(helpdesk, "ann") if each["code"] == code]
        assert (sms["channel"], sms["to"]) == ("sms", MOBILE)
        assert re.fullmatch(r"\d{6}", code)
        assert (await helpdesk.verify(challenge, code=code))["amr"] == ["otp", "sms"]


async def test_row_07_a_code_by_mail_at_each_login(stack: Stack) -> None:
    """Six digits that leave with the login itself: nobody has to ask for them first."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await add_channel(helpdesk, "ann", "email")
        seen = []
        for _ in range(3):
            before = len(await codes(helpdesk, "ann"))
            challenge = await challenge_of(helpdesk, "ann")
            assert challenge["sent_to"] == challenge["factors"][0]["factor_id"]
            code = await code_of(helpdesk, "ann", after=before)
            assert re.fullmatch(r"\d{6}", code)
            assert (await helpdesk.verify(challenge, code=code))["method"] == "email"
            seen.append(challenge["id"])
        mails = [each for each in await messages(helpdesk, "ann") if each["code"]]
        assert [(each["channel"], each["to"]) for each in mails] == [("email", f"ann@{helpdesk.domain}")] * 4
        assert len(set(seen)) == 3
        await helpdesk.call("PUT", path_of("ann"), {"email": "new@acme.example", "email_verified": True})
        await challenge_of(helpdesk, "ann")
        newest = await code_of(helpdesk, "ann", after=4)
        [mail] = [each for each in await messages(helpdesk, "ann") if each["code"] == newest]
        assert mail["to"] == f"ann@{helpdesk.domain}", "a factor stays where it was proved"


async def test_row_08_an_address_that_nobody_verified_is_no_factor_until_a_mailed_code_proves_it(stack: Stack) -> None:
    """A mistyped address would lock its owner out, or let its real owner in."""
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, path_of("ann", "factors")
        ann = await put(helpdesk, "ann", email_verified=False)
        await helpdesk.refused("POST", factors, {"type": "email"}, "email_not_verified")
        confirmed = await add_channel(helpdesk, "ann", "email", destination=ann.email)
        assert confirmed["factor"]["state"] == "active"
        await eventually(lambda: status(helpdesk, "ann"), lambda seen: bool(seen["email_verified"]))
        await put(helpdesk, "ben")
        assert (await add_channel(helpdesk, "ben", "email"))["factor"]["state"] == "active"


async def test_row_09_codes_are_sent_again_after_30_60_and_120_seconds_and_four_times(stack: Stack) -> None:
    """Impatience must neither flood a mailbox nor cost a fortune; the answer says when to ask again."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await add_channel(helpdesk, "ann", "email")
        await helpdesk.move_clock(HOUR)
        before = len(await codes(helpdesk, "ann"))
        asked_at = helpdesk.now
        challenge = await challenge_of(helpdesk, "ann")
        send, body = f"/v1/challenges/{challenge['id']}/send", {"factor_id": challenge["sent_to"]}
        for number, seconds in enumerate(SPACING, start=1):
            assert challenge["sends_left"] == 4 - number
            assert asked_at <= instant(challenge["next_send_at"]) - seconds * SECOND <= helpdesk.now
            code, document, headers = await helpdesk.ask("POST", send, body)
            assert (code, document["code"]) == (429, "too_soon")
            assert document["next_send_at"] == challenge["next_send_at"]
            assert 0 < int(headers["Retry-After"]) <= seconds
            await helpdesk.move_clock(seconds * SECOND)
            asked_at = helpdesk.now
            challenge = await helpdesk.call("POST", send, body, expect=202)
        assert (challenge["sends_left"], challenge["next_send_at"]) == (0, None)
        await helpdesk.move_clock(120 * SECOND)
        await helpdesk.refused("POST", send, body, "too_many_sends")
        newest = await code_of(helpdesk, "ann", after=before + 3)
        assert len(await codes(helpdesk, "ann")) == before + 4
        await helpdesk.verify(challenge, code=newest)
        await helpdesk.refused("POST", verifying(challenge), {"code": newest}, "code_already_used")

        pending = await start(helpdesk, "ann", "sms", destination=MOBILE, proof=challenge["id"])
        again = path_of("ann", "factors", pending["factor"]["id"], "send")
        for seconds in SPACING:
            await helpdesk.refused("POST", again, {}, "too_soon")
            await helpdesk.move_clock(seconds * SECOND)
            await helpdesk.call("POST", again, {}, expect=202)
        await helpdesk.refused("POST", again, {}, "too_many_sends")
