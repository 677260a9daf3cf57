"""The link "this was not me" in a security notice, from the mail to the admins: GET shows, POST acts."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from services.cli.demo.helpdesk import Json
from services.cli.demo.world import World
from tests.support.eventually import eventually
from tests.support.owner import SETTLED, Owner
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PATH = "/not-me"
A_STEP = dt.timedelta(seconds=30)  # the code that enrolled is used up
FIREFOX = {"user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}

Link = dict[str, str]


@asynccontextmanager
async def _trusting(stack: Stack, *, locale: str = "en") -> AsyncIterator[tuple[World, aiohttp.ClientSession, Link]]:
    """Ann trusts a device and is told; what the link in her mail says; a browser that knows nothing else."""
    async with AsyncExitStack() as exits:
        world = await exits.enter_async_context(open_world(stack))
        browser = await exits.enter_async_context(aiohttp.ClientSession(stack.url))
        ann = await enrolled(world.helpdesk, "ann")
        await world.helpdesk.call("PUT", "/v1/accounts/ann", {"locale": locale})
        await world.put_account(world.root, "admin")
        await world.helpdesk.move_clock(A_STEP)
        body = {"account_id": "ann", "first_factor": {"method": "password"}, "context": FIREFOX}
        login = await world.helpdesk.call("POST", "/v1/logins", body)
        verified = await world.helpdesk.verify(login["challenge"], code=ann.totp(world.helpdesk.now), trust_device=True)
        assert verified["trusted_device"]
        words = "trusted" if locale == "en" else "vertraut"
        notice = await world.mail(world.ann, lambda mail: PATH in mail.text and words in mail.subject)
        found = re.search(r"https?://\S+/not-me\?\S+", notice.text)
        assert found is not None
        yield world, browser, {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}


async def _devices(world: World) -> int:
    return len((await world.helpdesk.call("GET", "/v1/accounts/ann/trusted-devices"))["data"])


async def _timeline(world: World) -> Json:
    return await world.helpdesk.call("GET", "/v1/accounts/ann/timeline")


def _types(timeline: Json) -> list[str]:
    return [entry["type"] for entry in timeline["data"]]


async def test_opening_changes_nothing_and_the_button_ends_what_a_stranger_may_have_begun(stack: Stack) -> None:
    """Scanners of mail open every link: only a press ends trusts and sessions; factors stay, and admins hear of it."""
    async with _trusting(stack) as (world, browser, link):
        async with browser.head(PATH, params=link) as headed:
            assert headed.status == 200
        async with browser.get(PATH, params=link) as shown:
            assert shown.status == 200
            page = await shown.text()
        assert "trusted" in page
        assert await _devices(world) == 1
        fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">\n', page)}
        assert fields == link

        for _ in range(2):
            async with browser.post(PATH, data=fields) as pressed:
                assert pressed.status == 200
        timeline = await world.until(
            "both of it",
            lambda: _timeline(world),
            lambda found: {"notice.disputed", "sessions.should_end"} <= {*_types(found)},
        )
        assert _types(timeline).count("notice.disputed") == 1
        await world.until(
            "no trusts",
            lambda: world.helpdesk.call("GET", "/v1/accounts/ann/trusted-devices"),
            lambda found: not found["data"],
        )
        factors = await world.helpdesk.call("GET", "/v1/accounts/ann/factors")
        assert [factor["state"] for factor in factors["data"]] == ["active"]
        mail = await world.mail(world.root, lambda mail: "This was not me" in mail.subject)
        assert "ann" in mail.text
        assert PATH not in mail.text
        async with browser.get(PATH, params=link) as again:
            assert "<button" not in await again.text()


async def test_an_old_notice_stops_no_recovery_that_came_after_it(stack: Stack) -> None:
    """Each link is good for 30 days: whoever reads old mail would keep an owner with a lost device out for as long. It
    does all else that it does, and the links of the recovery's own notices stop it whenever.
    """
    async with open_world(stack) as world, aiohttp.ClientSession(stack.url) as browser:
        ann = Owner(world.helpdesk)
        await ann.put()
        await ann.enrol()
        told = await ann.notice("factor_added")
        found = re.search(rf"https?://\S+{PATH}\?\S+", told["text"])
        assert found is not None
        await world.helpdesk.move_clock(SETTLED)
        waiting = await ann.lose_device()
        fields = {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}
        async with browser.post(PATH, data=fields) as pressed:
            assert pressed.status == 200
        await eventually(
            ann.timeline, lambda seen: {"notice.disputed", "sessions.should_end"} <= {each["type"] for each in seen}
        )
        assert await ann.recovery() == waiting


async def test_a_link_that_is_none_is_refused_without_showing_it(stack: Stack) -> None:
    """What stands in an address is anybody's text, and a forged token looks like one of another tenant."""
    async with _trusting(stack) as (world, browser, link):
        for forged in (
            {},
            link | {"tenant": "1"},
            link | {"notice": '"><script>'},
            link | {"token": '"><script>alert(1)</script>'},
            link | {"token": "k1.c2VjcmV0"},
            link | {"tenant": link["notice"]},
        ):
            async with browser.get(PATH, params=forged) as shown:
                assert shown.status == 404
                assert "alert" not in await shown.text()
            async with browser.post(PATH, data=forged) as acted:
                assert acted.status == 404
        assert await _devices(world) == 1


async def test_the_page_speaks_the_accounts_language_and_runs_nothing(stack: Stack) -> None:
    """The mail was German; and a page whose one button matters must not be put under another's."""
    async with _trusting(stack, locale="de") as (_, browser, link), browser.get(PATH, params=link) as shown:
        page = await shown.text()
        assert '<html lang="de">' in page
        assert "Das war ich nicht" in page
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "<script" not in page
        assert shown.headers["Referrer-Policy"] == "no-referrer"


async def test_the_other_pages_follow_the_browser(stack: Stack) -> None:
    """They ask nobody whose link it is, so the browser is all they have to go by."""
    ids = {"tenant": "01990000-0000-7000-8000-000000000001", "token": "k1.c2VjcmV0LW9mLW5vYm9keQ"}
    some = "01990000-0000-7000-8000-0000000000e1"
    async with aiohttp.ClientSession(stack.url, headers={"Accept-Language": "de-CH,de;q=0.9"}) as browser:
        for path, subject in (("/recovery/cancel", "request"), ("/reports/download", "report")):
            async with browser.get(path, params={**ids, subject: some}) as shown:
                assert shown.status == 200
                assert '<html lang="de">' in await shown.text()
            async with browser.post(path, data={}) as acted:
                assert acted.status == 404
                assert "Dieser Link ist nicht gültig" in await acted.text()
