"""The hosted sign-in: a browser is sent here, types a code, is sent home; the helpdesk redeems what it brings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from services.cli.demo.helpdesk import Json
from tests.support.backend import code_of, happened, told
from tests.support.owner import STEP, Owner
from tests.support.people import open_world
from tests.support.prompt_browser import PromptBrowser, Shown
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

HOME = "https://help.acme.example/signed-in?from=2fa"
APP = "acme-helpdesk://signed-in"
STATE = "a b&c=d#é/+"
WRONG = "000 000"


@asynccontextmanager
async def _ann(stack: Stack, *, language: str = "en") -> AsyncIterator[tuple[Owner, PromptBrowser]]:
    """Ann of a fresh tenant, and her browser."""
    async with open_world(stack) as world, PromptBrowser(stack.url, language=language) as browser:
        await world.helpdesk.call("PUT", "/v1/tenant", {"name": "Acme <Helpdesk>", "return_urls": [HOME, APP]})
        owner = Owner(world.helpdesk)
        await owner.put()
        yield owner, browser


async def _login(owner: Owner, **more: object) -> Json:
    """A login that is to go on here."""
    return await owner.helpdesk.login(owner.account_id, return_url=HOME, state=STATE, **more)


async def _redeem(owner: Owner, home: Shown) -> Json:
    body = {name: home.said_home[name] for name in ("code", "challenge_id")}
    return await owner.helpdesk.call("POST", "/v1/assertions/redeem", body)


async def _app_code(owner: Owner, factor_id: str) -> str:
    """A code that was not used yet, as a person types it."""
    await owner.helpdesk.move_clock(2 * STEP)
    code = owner.code(factor_id)
    return f"{code[:3]} {code[3:]}"


async def test_a_person_signs_in_and_the_helpdesk_gets_its_assertion(stack: Stack) -> None:
    """The whole way; what lets her in is in no address, and her helpdesk's own words come back as they were."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol(name="Phone")
        login = await _login(owner)
        assert login["decision"] == "challenge"
        page = await browser.get(login["prompt_url"])
        assert (page.status, page.location) == (200, None)
        assert "Sign in to Acme &lt;Helpdesk&gt;" in page.text
        assert "Confirm that it is you" not in page.text
        wrong = await browser.send(page.form(), code=WRONG)
        assert (wrong.status, wrong.fault) == (422, "This code is not right. You have 4 tries left.")

        home = await browser.send(wrong.form(), code=await _app_code(owner, app), trust_device="yes")
        assert (home.status, home.said_home["state"]) == (303, STATE)
        assert home.location is not None
        assert home.location.startswith(f"{HOME}&code=")
        assert set(home.said_home) == {"from", "code", "challenge_id", "state"}

        redeemed = await _redeem(owner, home)
        assert (redeemed["method"], redeemed["account_id"], redeemed["leads_to"]) == ("totp", "ann", None)
        challenge_id = login["challenge"]["id"]
        claims = await owner.helpdesk.check_assertion(
            redeemed["assertion"], account_id="ann", challenge_id=challenge_id
        )
        assert claims["purpose"] == "sign_in"
        again = await owner.helpdesk.login("ann", trusted_device_token=redeemed["trusted_device"]["token"])
        assert (again["decision"], again["reason"]) == ("allow", "trusted_device")
        await happened(owner.helpdesk, "ann", "challenge.redeemed")


async def test_a_mailed_code_in_german(stack: Stack) -> None:
    """Sent with the login; asked for again too early, the page says for how long to wait."""
    async with _ann(stack, language="de-AT,de;q=0.9") as (owner, browser):
        started = await owner.helpdesk.call("POST", f"{owner.path}/factors", {"type": "email"}, expect=201)
        first = await code_of(owner.helpdesk, "ann")
        await owner.helpdesk.call("POST", f"{owner.path}/factors/{started['factor']['id']}/confirm", {"code": first})
        await owner.helpdesk.move_clock(2 * STEP)
        page = await browser.get((await _login(owner))["prompt_url"])
        assert page.headers["Content-Language"] == "de"
        assert "Wir haben einen Code an" in page.text
        assert owner.email not in page.text  # the address is masked
        early = await browser.send(page.form("send"))
        assert early.status == 429
        assert early.fault is not None
        assert early.fault.startswith("Gerade wurde ein Code gesendet.")
        await owner.helpdesk.move_clock(STEP)
        sent = await browser.send(early.form("send"))
        assert (sent.status, sent.fault) == (200, None)
        home = await browser.send(sent.form(), code=await code_of(owner.helpdesk, "ann", after=2))
        assert (await _redeem(owner, home))["method"] == "email"


async def test_a_backup_code_and_a_recovery_key(stack: Stack) -> None:
    """Behind "other ways"; a new key is shown before the person goes on, and the helpdesk hears what to lead her to."""
    async with _ann(stack) as (owner, browser):
        await owner.helpdesk.call("PUT", "/v1/policy", {"recovery_key": "beside"})
        app = await owner.begin()
        key = (await owner.confirm(app))["recovery_key"]
        page = await browser.get((await _login(owner))["prompt_url"])
        paper = await browser.get(page.links["Use a backup code"])
        home = await browser.send(paper.form(), code=owner.backup_codes[0].lower())
        assert (await _redeem(owner, home))["leads_to"] == "security"

        page = await browser.get((await _login(owner))["prompt_url"])
        asked = await browser.get(page.links["Use your recovery key"])
        shown = await browser.send(asked.form(), code=key)
        assert (shown.status, shown.location) == (200, None)
        assert key not in shown.text
        again = await browser.send(asked.form(), code=key)  # the answer was lost: the new key must not be
        assert again.text == shown.text
        home = await browser.get(shown.links["I saved it: go on"])
        assert (await _redeem(owner, home))["method"] == "recovery_key"
        late = await browser.send(asked.form(), code=key)  # somebody presses "back" at the same machine
        assert late.status == 410
        await told(owner.helpdesk, "ann", "recovery_key_used")


async def test_a_step_up_returns_into_an_app_and_proves_what_it_should(stack: Stack) -> None:
    """The prompt in the system browser (RFC 8252): back by the app's own scheme, which the page's policy names."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol()
        challenge = await owner.challenge(purpose="step_up")
        body = {"kind": "sign_in", "account_id": "ann", "challenge_id": challenge["id"], "return_url": APP}
        session = await owner.helpdesk.call("POST", "/v1/prompt-sessions", body, expect=201)
        page = await browser.get(session["url"])
        assert "If you only wanted to sign in, do not type one" in page.text
        assert "form-action 'self' acme-helpdesk:" in page.headers["Content-Security-Policy"]
        assert "trust_device" not in page.text
        home = await browser.send(page.form(), code=await _app_code(owner, app))
        assert home.location is not None
        assert home.location.startswith(f"{APP}?code=")
        assert "state" not in home.said_home
        assert (await _redeem(owner, home))["purpose"] == "step_up"
        await owner.begin(proof=challenge["id"])


async def test_a_lost_redirect_a_reload_and_the_back_button_lead_home(stack: Stack) -> None:
    """The same form again, or the page again: the same code, once redeemed no more."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol()
        login = await _login(owner)
        page = await browser.get(login["prompt_url"])
        code = await _app_code(owner, app)
        home = await browser.send(page.form(), code=code)
        assert (await browser.send(page.form(), code=code)).location == home.location
        assert (await browser.get(page.form()[0])).location == home.location
        assert (await browser.get(login["prompt_url"])).location == home.location
        body = {name: home.said_home[name] for name in ("code", "challenge_id")}
        first = await owner.helpdesk.call("POST", "/v1/assertions/redeem", body, key="redeem-1")
        assert await owner.helpdesk.call("POST", "/v1/assertions/redeem", body, key="redeem-1") == first
        await owner.helpdesk.refused("POST", "/v1/assertions/redeem", body, "not_redeemable")
        over = await browser.get(page.form()[0])
        assert (over.status, over.location) == (410, None)
        assert "error=over" in over.links["Back to the helpdesk"]


async def test_too_many_wrong_codes_and_a_late_one_say_the_way_back(stack: Stack) -> None:
    """A page without a way on is where people give up; the helpdesk is told why they are back."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        assert "error=cancelled" in page.links["Cancel, and go back"]
        for code in owner.wrong_codes(4):
            page = await browser.send(page.form(), code=code)
        [last] = owner.wrong_codes(5)[4:]
        over = await browser.send(page.form(), code=last)
        assert over.status == 410
        assert "error=exhausted" in over.links["Back to the helpdesk"]
        await owner.helpdesk.move_clock(20 * STEP)

        page = await browser.get((await _login(owner))["prompt_url"])
        await owner.helpdesk.move_clock(20 * STEP)
        late = await browser.send(page.form(), code=owner.code(app))
        assert late.status == 410
        assert "error=expired" in late.links["Back to the helpdesk"]


# --- hostile --------------------------------------------------------------------------------------------------------


async def test_nobody_is_sent_to_an_address_that_the_tenant_did_not_name(stack: Stack) -> None:
    """An open redirect would carry the code to whoever started the login."""
    async with _ann(stack) as (owner, _):
        await owner.enrol()
        challenge = await owner.challenge()
        for url in (
            "https://evil.example/signed-in?from=2fa",
            "https://help.acme.example.evil.example/signed-in?from=2fa",
            "https://help.acme.example@evil.example/signed-in?from=2fa",
            f"{HOME}/../admin",
            HOME.upper(),
            f"{HOME} ",
            "javascript:alert(1)",
        ):
            login = {"account_id": "ann", "first_factor": {"method": "password"}, "return_url": url}
            problem = await owner.helpdesk.refused("POST", "/v1/logins", login, "return_url_not_allowed")
            assert [fault["pointer"] for fault in problem["errors"]] == ["/return_url"]
            assert url.strip() not in str(problem)
            session = {"kind": "sign_in", "account_id": "ann", "challenge_id": challenge["id"], "return_url": url}
            await owner.helpdesk.refused("POST", "/v1/prompt-sessions", session, "return_url_not_allowed")


async def test_a_session_is_made_for_an_open_challenge_of_that_account(stack: Stack) -> None:
    """What a page could not answer is refused where a program reads it, and not found by a person."""
    async with _ann(stack) as (owner, _):
        await owner.enrol()
        bob = Owner(owner.helpdesk, "bob")
        await bob.put()
        challenge = await owner.challenge()
        body = {"kind": "sign_in", "account_id": "ann", "challenge_id": challenge["id"], "return_url": HOME}
        asked = ("POST", "/v1/prompt-sessions")
        await owner.helpdesk.refused(*asked, body | {"account_id": "bob"}, "challenge_not_found")
        await owner.helpdesk.refused(*asked, body | {"challenge_id": None}, "validation_failed")
        await owner.helpdesk.refused(*asked, body | {"kind": "admin"}, "prompt_kind_not_served")
        made = await owner.helpdesk.call(*asked, body, expect=201, key="session-1")
        await owner.helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/cancel", {})
        assert await owner.helpdesk.call(*asked, body, expect=201, key="session-1") == made
        await owner.helpdesk.refused(*asked, body, "challenge_not_open")


async def test_an_address_opens_once_and_in_one_browser(stack: Stack) -> None:
    """It stands in histories and in logs of proxies: there it must be worth nothing."""
    async with _ann(stack) as (owner, browser), PromptBrowser(stack.url) as thief:
        await owner.enrol()
        url = (await _login(owner))["prompt_url"]
        assert (await browser.get(url)).status == 200
        assert (await browser.get(url)).status == 200  # the one that opened it
        stolen = await thief.get(url)
        assert (stolen.status, stolen.forms, thief.cookies) == (410, [], {})
        assert "error=expired" in stolen.links["Back to the helpdesk"]
        page = f"{stack.url}/prompt/{urlsplit(url).query.split('session=')[1][:36]}"
        assert (await thief.get(page)).status == 410
        for forged in (url[:-3] + "AAA", url.replace("tenant=0", "tenant=1"), f"{stack.url}/prompt/open"):
            assert (await thief.get(forged)).status == 404


async def test_a_forged_form_does_nothing(stack: Stack) -> None:
    """Another site's page can send a form with her cookie; it cannot know the token, and her browser tells on it."""
    async with _ann(stack) as (owner, browser):
        app = await owner.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        action, hidden = page.form()
        code = await _app_code(owner, app)
        for form, site in (
            ({**hidden, "form_token": ""}, "same-origin"),
            ({name: value for name, value in hidden.items() if name != "form_token"}, "same-origin"),
            ({**hidden, "form_token": hidden["form_token"][::-1]}, None),
            ({**hidden, "nonce": "'"}, "same-origin"),
            (hidden, "cross-site"),
            (hidden, "same-site"),
            (hidden, "none"),
        ):
            refused = await browser.send((action, form), site=site, code=code)
            assert (refused.status, refused.location) == (403, None)
        assert (await browser.send((action, hidden), site=None, code=code)).status == 303  # an old browser says nothing


async def test_one_sessions_cookie_opens_no_other(stack: Stack) -> None:
    """Bob, signed in at the same helpdesk, must not answer Ann's challenge, whatever he renames."""
    async with _ann(stack) as (owner, browser), PromptBrowser(stack.url) as other:
        await owner.enrol()
        bob = Owner(owner.helpdesk, "bob")
        await bob.put()
        await bob.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        theirs = await other.get((await _login(bob))["prompt_url"])
        action, _ = page.form()
        assert (await other.send((action, theirs.form()[1]), code=WRONG)).status == 410
        [name] = browser.cookies
        [value] = other.cookies.values()
        async with PromptBrowser(stack.url) as renaming:
            renaming.keep(name, value)
            assert (await renaming.get(action)).status == 410


async def test_whoever_waits_at_the_same_challenge_gets_nothing_by_it(stack: Stack) -> None:
    """Two logins from one address share a challenge: only the browser that typed the code is let in."""
    async with _ann(stack) as (owner, browser), PromptBrowser(stack.url) as thief:
        app = await owner.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        waiting = await thief.get((await _login(owner))["prompt_url"])
        assert waiting.status == 200
        home = await browser.send(page.form(), code=await _app_code(owner, app))
        over = await thief.get(waiting.form()[0])
        assert (over.status, over.location) == (410, None)
        assert (await thief.send(waiting.form(), code=owner.code(app))).location is None
        await _redeem(owner, home)


async def test_a_code_is_its_tenants_and_its_challenges(stack: Stack) -> None:
    """At another helpdesk, with another challenge, or changed, it is refused in one and the same way."""
    async with _ann(stack) as (owner, browser), _ann(stack) as (stranger, _):
        app = await owner.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        home = await browser.send(page.form(), code=await _app_code(owner, app))
        body = {name: home.said_home[name] for name in ("code", "challenge_id")}
        redeem = ("POST", "/v1/assertions/redeem")
        other = (await owner.challenge(purpose="step_up"))["id"]
        problems = [
            await stranger.helpdesk.refused(*redeem, body, "not_redeemable"),
            await owner.helpdesk.refused(*redeem, body | {"challenge_id": other}, "not_redeemable"),
            await owner.helpdesk.refused(*redeem, body | {"code": body["code"][::-1]}, "not_redeemable"),
        ]
        assert len({problem["detail"] for problem in problems}) == 1
        await owner.helpdesk.call(*redeem, body)


async def test_the_page_runs_nothing_and_is_kept_nowhere(stack: Stack) -> None:
    """A page where codes are typed: no script, no frame, no cache, no address handed on to the next site."""
    async with _ann(stack) as (owner, browser):
        await owner.enrol()
        page = await browser.get((await _login(owner))["prompt_url"])
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self' https://help.acme.example" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert 'inputmode="numeric" autocomplete="one-time-code"' in page.text
