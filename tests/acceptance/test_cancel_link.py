"""The link "this was not me" in the notices of a recovery: GET shows, POST acts, neither trusts what it is given."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from services.cli.demo.world import World
from tests.support.backend import happened
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PATH = "/recovery/cancel"
A_DAY = dt.timedelta(days=1)
A_WEEK = dt.timedelta(days=8)  # an address serves recovery once it is unchanged for 7 days

Link = dict[str, str]


@asynccontextmanager
async def _waiting_recovery(stack: Stack) -> AsyncIterator[tuple[World, aiohttp.ClientSession, Link]]:
    """Ann's recovery waits; what the link in her mail says; a browser that knows nothing else."""
    async with AsyncExitStack() as exits:
        world = await exits.enter_async_context(open_world(stack))
        browser = await exits.enter_async_context(aiohttp.ClientSession(stack.url))
        await enrolled(world.helpdesk, "ann")
        await world.helpdesk.move_clock(A_WEEK)
        before = len(stack.mailbox.messages)
        recovery = await world.helpdesk.call("POST", "/v1/accounts/ann/recovery", {}, expect=201)
        mail = await world.mail(world.ann, lambda mail: re.match(r"\d{6}\b", mail.subject) is not None, after=before)
        await world.helpdesk.verify({"id": recovery["challenge_id"]}, code=mail.subject[:6])
        notice = await world.mail(world.ann, lambda mail: PATH in mail.text, after=before)
        found = re.search(r"https?://\S+/recovery/cancel\S+", notice.text)
        assert found is not None
        yield world, browser, {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}


async def _state(world: World) -> str:
    return str((await world.helpdesk.call("GET", "/v1/accounts/ann/recovery"))["state"])


async def test_opening_the_link_changes_nothing_and_the_button_stops_the_recovery(stack: Stack) -> None:
    """Scanners of mail open every link: only a press may stop a recovery, and a double click is one press."""
    async with _waiting_recovery(stack) as (world, browser, link):
        async with browser.head(PATH, params=link) as headed:
            assert headed.status == 200
        async with browser.get(PATH, params=link) as shown:
            assert shown.status == 200
            page = await shown.text()
        assert await _state(world) == "waiting"
        fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">\n', page)}
        assert fields == link

        async with browser.post(PATH, data={**fields, "reason": "found"}) as pressed:
            assert pressed.status == 200
        assert await _state(world) == "cancelled"
        async with browser.post(PATH, data={**fields, "reason": "found"}) as again:
            assert again.status == 200
        assert await _state(world) == "cancelled"


async def test_not_me_keeps_the_next_recovery_away_for_a_day(stack: Stack) -> None:
    """Who asked was not the owner: asking again at once must not start a new waiting period."""
    async with _waiting_recovery(stack) as (world, browser, link):
        async with browser.post(PATH, data={**link, "reason": "attack"}) as pressed:
            assert pressed.status == 200
        asking = ("POST", "/v1/accounts/ann/recovery")
        await world.helpdesk.refused(*asking, {}, "too_soon")
        await happened(world.helpdesk, "ann", "recovery.attack")
        await happened(world.helpdesk, "ann", "recovery.cancelled")
        await world.helpdesk.move_clock(A_DAY)
        assert (await world.helpdesk.call(*asking, {}, expect=201))["state"] == "draft"


async def test_a_link_that_is_none_is_refused_without_showing_it(stack: Stack) -> None:
    """What stands in an address is anybody's text, and a forged token looks like one of another tenant."""
    async with _waiting_recovery(stack) as (world, browser, link):
        for forged in (
            {},
            link | {"tenant": "1"},
            link | {"request": '"><script>'},
            link | {"token": '"><script>alert(1)</script>'},
            link | {"token": "x" * 201},
        ):
            async with browser.get(PATH, params=forged) as shown:
                assert shown.status == 404
                assert "alert" not in await shown.text()
        async with browser.post(PATH, data=link | {"token": "k1.c2VjcmV0", "reason": "found"}) as acted:
            assert acted.status == 404
        assert await _state(world) == "waiting"


async def test_the_page_runs_nothing_and_is_framed_by_nobody(stack: Stack) -> None:
    """A page whose one button matters must not be put under another's."""
    async with _waiting_recovery(stack) as (_, browser, link), browser.get(PATH, params=link) as shown:
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert "<script" not in await shown.text()
