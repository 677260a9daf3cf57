"""Row 17 of docs/features.md: the device is lost and so are the codes."""

import re
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person
from shared.ids import new_id
from tests.support.backend import (
    HOUR,
    MINUTE,
    OLD_ADDRESS,
    SECOND,
    STEP,
    add_app,
    challenge_of,
    code_of,
    codes,
    happened,
    instant,
    path_of,
    put,
    told,
)
from tests.support.eventually import eventually
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

RECOVERY = path_of("ann", "recovery")
LINK_PATH = "/recovery/cancel"
LINK = re.compile(r"https?://\S+/recovery/cancel\S+")


async def waiting(helpdesk: Helpdesk) -> tuple[Person, Json]:
    """Ann, who has an authenticator and a phone, has proved her mailbox; her request."""
    await put(helpdesk, "ann", phone="+447700900123")
    ann, _ = await add_app(helpdesk, "ann")
    await helpdesk.move_clock(OLD_ADDRESS)
    before = len(await codes(helpdesk, "ann"))
    asked = await helpdesk.call("POST", RECOVERY, {}, expect=201)
    assert asked["state"] == "draft"
    code = await code_of(helpdesk, "ann", after=before)
    verify, key = f"/v1/challenges/{asked['challenge_id']}/verify", str(new_id())
    proved = await helpdesk.call("POST", verify, {"code": code}, key=key)
    assert not proved.get("assertion"), "a mailbox is no second factor"
    assert proved["recovery_id"] == asked["id"]
    request = await until(helpdesk, "waiting")
    again = await eventually(
        lambda: helpdesk.call("POST", verify, {"code": code}, key=key), lambda seen: seen["ready_at"] is not None
    )
    assert again["ready_at"] == request["ready_at"], "the page for the code says the hour"
    return ann, request


def links_of(notices: list[Json]) -> dict[str, str]:
    """The link to cancel, by channel."""
    return {each["channel"]: found[0] for each in notices if (found := LINK.search(each["text"]))}


async def until(helpdesk: Helpdesk, state: str) -> Json:
    """The newest request, once it is in that state."""
    return await eventually(lambda: helpdesk.call("GET", RECOVERY), lambda seen: seen["state"] == state)


async def test_row_17_2fa_goes_off_24_hours_after_the_mailbox_was_proved_and_everybody_was_told(stack: Stack) -> None:
    """The weakest door opens late and loudly: at once, at half time, an hour before and after, on every channel."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        _, request = await waiting(helpdesk)
        ready_at = instant(request["ready_at"])
        assert abs(ready_at - helpdesk.now - 24 * HOUR) < MINUTE
        first = await told(helpdesk, "ann", "recovery_waiting", times=2)
        assert {each["channel"] for each in first} == {"email", "sms"}
        hour = f"{ready_at:%I:%M %p} UTC".lstrip("0")
        assert all(LINK.search(each["text"]) and hour in each["text"] for each in first)
        links = links_of(first)
        again = await helpdesk.call("POST", RECOVERY, {}, expect=201)
        assert (again["id"], again["ready_at"]) == (request["id"], request["ready_at"])

        await helpdesk.move_clock(12 * HOUR)
        half_time = await told(helpdesk, "ann", "recovery_half_time", times=2)
        await helpdesk.move_clock(11 * HOUR)
        last_hour = await told(helpdesk, "ann", "recovery_last_hour", times=2)
        assert links_of(half_time) == links_of(last_hour) == links, "the link of the first mail is still good"
        assert all(hour in each["text"] for each in (*half_time, *last_hour))
        await helpdesk.move_clock(ready_at - helpdesk.now - 20 * SECOND)
        assert (await helpdesk.login("ann"))["decision"] == "challenge"
        await helpdesk.move_clock(21 * SECOND)
        await until(helpdesk, "executed")
        assert (await helpdesk.login("ann"))["decision"] == "allow"
        last = await told(helpdesk, "ann", "recovery_executed", times=2)
        assert {each["channel"] for each in last} == {"email", "sms"}
        await happened(helpdesk, "ann", "sessions.should_end")
        assert len(await told(helpdesk, "ann", "recovery_waiting")) == 2, "asking again told nobody anew"


async def test_row_17_a_real_code_or_the_link_in_a_notice_stops_it(stack: Stack) -> None:
    """Whoever finds the phone again, or never lost it, ends the request by signing in or by one press."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        ann, request = await waiting(helpdesk)
        await helpdesk.move_clock(STEP)
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), code=ann.totp(helpdesk.now))
        assert (await until(helpdesk, "cancelled"))["id"] == request["id"]
        await told(helpdesk, "ann", "recovery_cancelled", times=2)

        before = len(await codes(helpdesk, "ann"))
        asked = await helpdesk.call("POST", RECOVERY, {}, expect=201)
        code = await code_of(helpdesk, "ann", after=before)
        await helpdesk.verify({"id": asked["challenge_id"]}, code=code)
        second = await until(helpdesk, "waiting")
        assert second["id"] != request["id"]
        notices = await told(helpdesk, "ann", "recovery_waiting", times=4)
        *_, link = [found[0] for each in notices if (found := LINK.search(each["text"]))]
        fields = {name: value for name, [value] in parse_qs(urlsplit(link).query).items()}
        async with aiohttp.ClientSession(stack.url) as browser:
            async with browser.get(LINK_PATH, params=fields) as shown:
                assert shown.status == 200
            assert (await helpdesk.call("GET", RECOVERY))["state"] == "waiting", "scanners of mail open links, too"
            async with browser.post(LINK_PATH, data={**fields, "reason": "found"}) as pressed:
                assert pressed.status == 200
        await until(helpdesk, "cancelled")
        await helpdesk.move_clock(24 * HOUR + MINUTE)
        assert (await helpdesk.login("ann"))["decision"] == "challenge"

        before = len(await codes(helpdesk, "ann"))
        third = await helpdesk.call("POST", RECOVERY, {}, expect=201)
        code = await code_of(helpdesk, "ann", after=before)
        await helpdesk.call("POST", path_of("ann", "recovery", third["id"], "cancel"), {})
        await helpdesk.refused(
            "POST", f"/v1/challenges/{third['challenge_id']}/verify", {"code": code}, "recovery_over"
        )
        assert (await helpdesk.call("GET", RECOVERY))["state"] == "cancelled"
