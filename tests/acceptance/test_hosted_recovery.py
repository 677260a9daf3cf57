"""The hosted "can't access your device?": what happens and when, the mailbox proved, then the wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.backend import codes
from tests.support.owner import SETTLED, Owner
from tests.support.people import open_world
from tests.support.prompt_browser import PromptBrowser
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

HOME = "https://help.acme.example/signed-in"
ASKED = {"kind": "recovery", "account_id": "ann", "return_url": HOME, "state": "s"}


@asynccontextmanager
async def _ann(stack: Stack, *, language: str = "en") -> AsyncIterator[tuple[Owner, PromptBrowser]]:
    """Ann, whose phone is lost, and whose address has settled; her browser."""
    async with open_world(stack) as world, PromptBrowser(stack.url, language=language) as browser:
        await world.helpdesk.call("PUT", "/v1/tenant", {"name": "Acme", "return_urls": [HOME]})
        owner = Owner(world.helpdesk)
        await owner.put(time_zone="Europe/Vienna")
        await owner.enrol()
        await world.helpdesk.move_clock(SETTLED)
        yield owner, browser


async def test_a_lost_device_is_reported_proved_and_waited_for(stack: Stack) -> None:
    """Opening the page begins nothing; two presses begin once; the hour is told before and after."""
    async with _ann(stack) as (owner, browser):
        made = await owner.helpdesk.call("POST", "/v1/prompt-sessions", ASKED, expect=201)
        offer = await browser.get(made["url"])
        assert "Then you wait: 24 hours" in offer.text
        await owner.helpdesk.refused("GET", f"{owner.path}/recovery", None, "recovery_not_found")

        page = await browser.send(offer.form("begin"))
        again = await browser.send(offer.form("begin"))
        assert page.form()[0] == again.form()[0]
        assert owner.email not in page.text
        mail = await owner.message(lambda each: bool(each["code"]))
        wrong = await browser.send(again.form(), code="000000")
        assert (wrong.status, wrong.fault) == (422, "This code is not right. You have 4 tries left.")
        waits = await browser.send(wrong.form(), code=mail["code"])
        assert "Your mailbox is proved" in waits.text
        assert "error" not in waits.links["Back to the helpdesk"]
        request = await owner.recovery_in("waiting")

        later = await browser.get(made["url"])
        assert "(Europe/Vienna)" in later.text
        assert "24 hours" in later.text
        assert (await owner.recovery())["ready_at"] == request["ready_at"]
        assert len(await codes(owner.helpdesk, "ann")) == 1


async def test_it_is_reached_from_the_sign_in_in_german(stack: Stack) -> None:
    """Who is asked for a code that they cannot have must find the way there."""
    async with _ann(stack, language="de") as (owner, browser):
        login = await owner.helpdesk.login("ann", return_url=HOME)
        page = await browser.get(login["prompt_url"])
        offer = await browser.get(page.links["Ich komme nicht an mein Gerät"])
        form = await browser.send(offer.form("begin"))
        mail = await owner.message(lambda each: bool(each["code"]))
        waits = await browser.send(form.form(), code=mail["code"])
        assert "Ihr Postfach ist nachgewiesen" in waits.text
        await owner.recovery_in("waiting")
        assert (await owner.helpdesk.login("ann"))["decision"] == "challenge"  # nothing is off yet


async def test_where_it_is_not_offered_the_page_says_so(stack: Stack) -> None:
    """With an e-mail factor the mailbox is the way in; and a session for it names no challenge."""
    async with _ann(stack) as (owner, browser):
        await owner.helpdesk.call("PUT", "/v1/policy", {"recovery": {"enabled": False}})
        made = await owner.helpdesk.call("POST", "/v1/prompt-sessions", ASKED, expect=201)
        refused = await browser.send((await browser.get(made["url"])).form("begin"))
        assert refused.fault is not None
        assert refused.fault.startswith("This is not offered for your account.")
        assert "error=cancelled" in refused.links["Cancel, and go back"]
        body = ASKED | {"challenge_id": (await owner.challenge())["id"]}
        await owner.helpdesk.refused("POST", "/v1/prompt-sessions", body, "validation_failed")
