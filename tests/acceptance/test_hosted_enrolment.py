"""The hosted enrolment: a person without a second factor is sent here, sets one up, and comes home signed in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyotp
import pytest

from services.cli.demo.helpdesk import Helpdesk
from shared.secret import Secret
from tests.support.backend import code_of, require
from tests.support.owner import NUMBER, STEP, Owner
from tests.support.people import open_world
from tests.support.prompt_browser import Form, PromptBrowser, Shown
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

HOME = "https://help.acme.example/signed-in"
_CODE = r"<code>([0-9A-Z-]{16,})</code>"


@asynccontextmanager
async def _ann(stack: Stack, *, language: str = "en", **policy: object) -> AsyncIterator[tuple[Owner, PromptBrowser]]:
    """Ann, who has no factor, and her browser."""
    async with open_world(stack) as world, PromptBrowser(stack.url, language=language) as browser:
        await world.helpdesk.call("PUT", "/v1/tenant", {"name": "Acme", "return_urls": [HOME]})
        await require(world.helpdesk, grace_days=None, **policy)
        owner = Owner(world.helpdesk)
        await owner.put()
        yield owner, browser


async def _choice(owner: Owner, browser: PromptBrowser) -> Shown:
    login = await owner.helpdesk.login("ann", return_url=HOME, state="s")
    assert login["decision"] == "enrol", login
    return await browser.get(login["prompt_url"])


def _starting(page: Shown, factor_type: str) -> tuple[str, Form]:
    [found] = [each for each in page.forms if each[1].get("type") == factor_type]
    return found


def _app_of(page: Shown) -> pyotp.TOTP:
    [groups] = re.findall(r"<code>([A-Z2-7]{4}(?: [A-Z2-7]{4}){7})</code>", page.text)
    return pyotp.TOTP(groups.replace(" ", ""))


async def _redeem(owner: Owner, home: Shown) -> str:
    body = {name: home.said_home[name] for name in ("code", "challenge_id")}
    return str((await owner.helpdesk.call("POST", "/v1/assertions/redeem", body))["method"])


async def test_an_app_is_set_up_its_codes_are_saved_and_the_login_goes_on(stack: Stack) -> None:
    """One way through: picture or key, one code, the codes on paper, home; a wrong code costs no second picture."""
    async with _ann(stack) as (owner, browser):
        choice = await _choice(owner, browser)
        assert [form["type"] for _, form in choice.forms] == ["totp", "email", "sms"]
        assert "Less secure than an app" in choice.text
        page = await browser.send(_starting(choice, "totp"))
        app = _app_of(page)
        assert "<svg" in page.text
        again = await browser.send(_starting(choice, "totp"))  # a double click begins once
        assert _app_of(again).secret == app.secret
        wrong = await browser.send(page.form("confirm"), code="000000")
        assert wrong.status == 422
        assert wrong.fault == "This code is not right. You have 4 tries left."
        assert _app_of(wrong).secret == app.secret

        saving = await browser.send(wrong.form("confirm"), code=app.at(owner.helpdesk.now))
        codes = re.findall(_CODE, saving.text)
        assert len(codes) == 10
        lost = await browser.send(wrong.form("confirm"), code=app.at(owner.helpdesk.now))  # the answer was lost
        assert re.findall(_CODE, lost.text) == codes
        home = await browser.send(saving.form("saved"))
        late = await browser.send(wrong.form("confirm"), code=app.at(owner.helpdesk.now))  # somebody presses "back"
        assert late.location == home.location
        began = await browser.send(_starting(choice, "totp"))
        assert app.secret not in began.text.replace(" ", "")
        assert home.said_home["state"] == "s"
        assert await _redeem(owner, home) == "totp"
        status = await owner.status()
        assert status["enforcement"]["state"] == "satisfied"
        assert status["backup_codes"]["acknowledged_at"] is not None
        await owner.helpdesk.verify(await owner.challenge(), backup_code=codes[0])


async def test_mailed_codes_in_german(stack: Stack) -> None:
    """No app at hand: the address that the helpdesk knows, masked, and another code when the first is slow."""
    async with _ann(stack, language="de") as (owner, browser):
        choice = await _choice(owner, browser)
        assert owner.email not in choice.text
        page = await browser.send(_starting(choice, "email"))
        assert "Wir haben einen Code gesendet an" in page.text
        early = await browser.send(page.form("resend"))
        assert early.status == 429
        assert early.fault is not None
        assert re.fullmatch(r"Gerade wurde ein Code gesendet\. Der nächste geht in [123]\d Sekunden\.", early.fault)
        await owner.helpdesk.move_clock(STEP)
        page = await browser.send(early.form("resend"))
        assert page.fault is None
        saving = await browser.send(page.form("confirm"), code=await code_of(owner.helpdesk, "ann", after=1))
        assert await _redeem(owner, await browser.send(saving.form("saved"))) == "email"


async def test_where_codes_are_saved_first_the_page_insists(stack: Stack) -> None:
    """A tenant may want them on paper before the factor counts; who skipped that is told so, and loses nothing."""
    async with _ann(stack, backup_codes="before_activation") as (owner, browser):
        page = await browser.send(_starting(await _choice(owner, browser), "totp"))
        codes = re.findall(_CODE, page.text)
        assert len(codes) == 10
        app = _app_of(page)
        unsaved = await browser.send(page.form("confirm"), code=app.at(owner.helpdesk.now))
        assert unsaved.fault == "Save the codes first, and say so below."
        assert re.findall(_CODE, unsaved.text) == codes
        home = await browser.send(unsaved.form("confirm"), code=app.at(owner.helpdesk.now), saved="yes")
        assert await _redeem(owner, home) == "totp"


async def test_where_the_mailbox_must_be_proved_it_comes_first(stack: Stack) -> None:
    """A stolen password must not bind a thief's phone; the page asks for the code before it shows any choice."""
    async with _ann(stack, enrolment_proof=True) as (owner, browser):
        first = await _choice(owner, browser)
        assert [form["action"] for _, form in first.forms] == ["send"]
        asked = await browser.send(first.form("send"))
        wrong = await browser.send(asked.form(), code="000000")
        assert wrong.fault == "This code is not right. You have 4 tries left."
        choice = await browser.send(wrong.form(), code=await code_of(owner.helpdesk, "ann"))
        page = await browser.send(_starting(choice, "totp"))
        saving = await browser.send(page.form("confirm"), code=_app_of(page).at(owner.helpdesk.now))
        assert await _redeem(owner, await browser.send(saving.form("saved"))) == "totp"


async def test_a_second_factor_is_added_on_a_proof_and_refused_without(stack: Stack) -> None:
    """From a security page: the step-up is the proof; without it the page says so and changes nothing."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol()
        session = {"kind": "enrol", "account_id": "ann", "return_url": HOME}
        asked = ("POST", "/v1/prompt-sessions")
        page = await browser.get((await owner.helpdesk.call(*asked, session, expect=201))["url"])
        refused = await browser.send(_starting(page, "sms"))
        assert refused.fault is not None
        assert refused.fault.startswith("Too much time has passed")

        proof = await owner.challenge(purpose="step_up")
        await owner.helpdesk.move_clock(2 * STEP)
        await owner.helpdesk.verify(proof, code=owner.code(app))
        made = await owner.helpdesk.call(*asked, session | {"challenge_id": proof["id"]}, expect=201)
        page = await browser.send(_starting(await browser.get(made["url"]), "sms"))
        home = await browser.send(page.form("confirm"), code=await code_of(owner.helpdesk, "ann"))
        assert home.said_home == {"done": "enrolled"}
        listed = (await owner.helpdesk.call("GET", f"{owner.path}/factors"))["data"]
        assert sorted(each["type"] for each in listed if each["state"] == "active") == ["sms", "totp"]
        assert NUMBER not in page.text


async def test_a_key_for_logins_alone_enrols_nobody_without_a_login(stack: Stack) -> None:
    """It would be a way around the scope that guards factors."""
    async with _ann(stack) as (owner, _):
        made = await owner.helpdesk.call("POST", "/v1/api-keys", {"name": "door", "scopes": ["logins"]}, expect=201)
        async with Helpdesk(stack.url, Secret(made["key"])) as door:
            body = {"kind": "enrol", "account_id": "ann", "return_url": HOME}
            await door.refused("POST", "/v1/prompt-sessions", body, "forbidden_scope")
            login = await door.login("ann")
            body["challenge_id"] = login["challenge"]["id"]
            await door.call("POST", "/v1/prompt-sessions", body, expect=201)


async def test_a_mailbox_proved_in_one_browser_opens_no_enrolment_in_another(stack: Stack) -> None:
    """Two who sign in alike share a challenge: a thief with the password must not ride on the owner's mailbox."""
    async with _ann(stack, enrolment_proof=True) as (owner, browser), PromptBrowser(stack.url) as thief:
        waiting = (await _choice(owner, thief)).form("send")
        first = await _choice(owner, browser)
        asked = await browser.send(first.form("send"))
        choice = await browser.send(asked.form(), code=await code_of(owner.helpdesk, "ann"))
        stolen = await thief.send(waiting, action="start", type="totp")
        assert stolen.fault is not None
        assert stolen.fault.startswith("Too much time has passed")
        await thief.send(_starting(stolen, "totp"))
        assert (await owner.helpdesk.call("GET", f"{owner.path}/factors"))["data"] == []

        page = await browser.send(_starting(choice, "totp"))
        saving = await browser.send(page.form("confirm"), code=_app_of(page).at(owner.helpdesk.now))
        assert await _redeem(owner, await browser.send(saving.form("saved"))) == "totp"


async def test_who_waited_at_the_same_login_adds_no_factor_to_the_owners(stack: Stack) -> None:
    """The login that the owner completed proves the owner, not the browser that had its page open elsewhere."""
    async with _ann(stack) as (owner, browser), PromptBrowser(stack.url) as thief:
        waiting = await _choice(owner, thief)
        page = await browser.send(_starting(await _choice(owner, browser), "totp"))
        await browser.send(page.form("confirm"), code=_app_of(page).at(owner.helpdesk.now))
        stolen = await thief.send(_starting(waiting, "totp"))
        assert stolen.fault is not None
        assert stolen.fault.startswith("Too much time has passed")
        [held] = (await owner.helpdesk.call("GET", f"{owner.path}/factors"))["data"]
        assert (held["type"], held["state"]) == ("totp", "active")
