"""Reports through the doors: asked for by a helpdesk, mailed to an admin, downloaded from the page and from the API."""

import csv
import datetime as dt
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import pytest

from services.cli.demo.helpdesk import Json
from services.cli.demo.world import World
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PATH = "/reports/download"
A_DAY = dt.timedelta(hours=24)

Link = dict[str, str]


@asynccontextmanager
async def _people(stack: Stack) -> AsyncIterator[tuple[World, aiohttp.ClientSession]]:
    """Ann is enrolled, Root is an admin who is not; and a browser that knows nothing else."""
    async with AsyncExitStack() as exits:
        world = await exits.enter_async_context(open_world(stack))
        browser = await exits.enter_async_context(aiohttp.ClientSession(stack.url))
        await enrolled(world.helpdesk, "ann")
        body = {"role": "admin", "email": world.root.email, "email_verified": True, "locale": "de"}
        await world.helpdesk.call("PUT", "/v1/accounts/root", body)
        yield world, browser


async def _ready(world: World, **wanted: object) -> Json:
    """Ask for a report, and wait until it is written."""
    asked = await world.helpdesk.call("POST", "/v1/reports", {"format": "csv", **wanted}, expect=202)
    path = f"/v1/reports/{asked['id']}"
    return await world.until("a report", lambda: world.helpdesk.call("GET", path), lambda it: it["state"] == "ready")


async def _mailed(world: World) -> Link:
    mail = await world.mail(
        world.root, lambda mail: f"tenant={world.tenant_id}" in mail.text and "/reports/" in mail.text
    )
    assert "Liste" in mail.subject
    found = re.search(r"https?://\S+/reports/download\S+", mail.text)
    assert found is not None
    return {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}


async def _page(browser: aiohttp.ClientSession, link: Link) -> str:
    async with browser.get(PATH, params=link) as shown:
        assert shown.status == 200
        assert "form-action 'self'" in shown.headers["Content-Security-Policy"]
        return await shown.text()


def _read(text: str) -> dict[str, dict[str, str]]:
    """The lines, by account."""
    return {row["account_id"]: row for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)}


async def test_the_link_shows_a_button_and_the_button_downloads_three_times(stack: Stack) -> None:
    """Scanners of mail open every link: only a press counts, and after three the link is dead."""
    async with _people(stack) as (world, browser):
        report = await _ready(world, mail_to_account="root")
        link = await _mailed(world)
        async with browser.head(PATH, params=link) as headed:
            assert headed.status == 200
        pages = [await _page(browser, link) for _ in range(5)]
        fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">\n', pages[-1])}
        assert fields == link

        for _ in range(3):
            async with browser.post(PATH, data=fields) as pressed:
                assert pressed.status == 200
                assert pressed.headers["Content-Type"] == "text/csv; charset=utf-8"
                assert pressed.headers["Content-Disposition"].startswith("attachment; filename=")
                assert int(pressed.headers["Content-Length"]) == report["size_bytes"]
                assert pressed.headers["X-Content-Type-Options"] == "nosniff"
                assert _read(await pressed.text()).keys() == {"ann", "root"}
        async with browser.post(PATH, data=fields) as once_more:
            assert once_more.status == 410
            assert link["token"] not in await once_more.text()


async def test_a_report_is_downloaded_from_the_api(stack: Stack) -> None:
    """A backend that builds its own pages needs no mail; who uses a second factor, and who has until when."""
    async with _people(stack) as (world, _):
        await world.helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}, "grace_days": 7, "force": True})
        report = await _ready(world)
        assert report["progress"] == {"done": 2, "total": 2}
        status, document, headers = await world.helpdesk.send("GET", f"/v1/reports/{report['id']}/download")
        assert (status, int(headers["Content-Length"])) == (200, report["size_bytes"])
        listed = _read(document["text"])
        assert (listed["ann"]["enforcement"], listed["ann"]["factor_types"]) == ("satisfied", "totp")
        assert (listed["ann"]["uses_2fa"], listed["ann"]["backup_codes_left"]) == ("yes", "10")
        assert (listed["root"]["enforcement"], listed["root"]["uses_2fa"]) == ("grace", "no")
        assert listed["root"]["deadline"] != ""

        status, _, headers = await world.helpdesk.send("HEAD", f"/v1/reports/{report['id']}/download")
        assert (status, int(headers["Content-Length"])) == (200, report["size_bytes"])

        admins = await _ready(world, role="admin", state="grace")
        _, document, _ = await world.helpdesk.send("GET", f"/v1/reports/{admins['id']}/download")
        assert _read(document["text"]).keys() == {"root"}


async def test_after_a_day_neither_the_link_nor_the_api_has_it(stack: Stack) -> None:
    """A list of who can be attacked does not lie about."""
    async with _people(stack) as (world, browser):
        report = await _ready(world, mail_to_account="root")
        link = await _mailed(world)
        await world.helpdesk.move_clock(A_DAY)
        async with browser.post(PATH, data=link) as pressed:
            assert pressed.status == 410
        path = f"/v1/reports/{report['id']}"
        await world.helpdesk.refused("GET", f"{path}/download", None, "report_expired")
        await world.until("its end", lambda: world.helpdesk.call("GET", path), lambda it: it["state"] == "expired")


async def test_what_is_no_link_and_no_report_is_not_found(stack: Stack) -> None:
    """A forged link looks like one of another tenant; nothing of it is shown."""
    async with _people(stack) as (world, browser):
        await _ready(world, mail_to_account="root")
        link = await _mailed(world)
        for forged in ({}, link | {"tenant": "1"}, link | {"token": '"><script>alert(1)</script>'}):
            async with browser.get(PATH, params=forged) as shown:
                assert shown.status == 404
                assert "alert" not in await shown.text()
        for forged in (link | {"token": "A" * 43}, link | {"report": link["tenant"]}):
            async with browser.post(PATH, data=forged) as pressed:
                assert pressed.status == 404
        async with open_world(stack) as other:
            path = f"/v1/reports/{link['report']}"
            await other.helpdesk.refused("GET", path, None, "report_not_found")
            await other.helpdesk.refused("GET", f"{path}/download", None, "report_not_found")


async def test_a_list_that_breaks_off_does_not_look_whole(stack: Stack) -> None:
    """Half a list of who is unprotected is worse than none: the length that was said is not reached."""
    async with _people(stack) as (world, _):
        report = await _ready(world)
        conn = await asyncpg.connect(stack.dsn)
        try:
            await conn.execute("DELETE FROM policy.report_chunks WHERE report_id = $1", report["id"])
        finally:
            await conn.close()
        with pytest.raises(aiohttp.ClientError):
            await world.helpdesk.send("GET", f"/v1/reports/{report['id']}/download")


async def test_a_link_goes_to_admins_only(stack: Stack) -> None:
    """And the same key asks twice, but gets one report."""
    async with _people(stack) as (world, _):
        await world.helpdesk.refused("POST", "/v1/reports", {"mail_to_account": "ann"}, "recipient_not_an_admin")
        first = await world.helpdesk.call("POST", "/v1/reports", {}, expect=202, key="once")
        again = await world.helpdesk.call("POST", "/v1/reports", {}, expect=202, key="once")
        assert again["id"] == first["id"]
