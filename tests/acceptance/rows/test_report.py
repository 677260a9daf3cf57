"""Row 29 of docs/features.md: the list of who uses a second factor."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.support.backend import DAY, MINUTE, add_app, instant, put, told
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PATH = "/reports/download"


async def test_row_29_the_list_as_csv_by_a_mailed_link_for_24_hours_and_three_times(stack: Stack) -> None:
    """An admin gets the list with the mail; scanners of mail, who open every link, get nothing and use nothing up."""
    async with open_world(stack) as world, aiohttp.ClientSession(stack.url) as browser:
        helpdesk = world.helpdesk
        for account_id, role in (("root", "admin"), ("ann", "agent"), ("cleo", "customer")):
            await put(helpdesk, account_id, role)
        await add_app(helpdesk, "ann")
        asked = await helpdesk.call("POST", "/v1/reports", {"mail_to_account": "root"}, expect=202)
        path = f"/v1/reports/{asked['id']}"
        report = await world.until("it", lambda: helpdesk.call("GET", path), lambda seen: seen["state"] == "ready")
        assert abs(instant(report["expires_at"]) - helpdesk.now - DAY) < MINUTE
        [mail] = await told(helpdesk, "root", "report_ready")
        found = re.search(r"https?://\S+/reports/download\S+", mail["text"])
        assert found is not None
        link = {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}
        for _ in range(4):
            async with browser.get(PATH, params=link) as shown:
                assert shown.status == 200
        text = ""
        for _ in range(3):
            async with browser.post(PATH, data=link) as pressed:
                assert (pressed.status, pressed.content_type) == (200, "text/csv")
                text = await pressed.text()
        async with browser.post(PATH, data=link) as fourth:
            assert fourth.status == 410
        rows = {row["account_id"]: row["uses_2fa"] for row in csv.DictReader(io.StringIO(text, newline=""))}
        assert rows == {"root": "no", "ann": "yes", "cleo": "no"}

        _, streamed, headers = await helpdesk.send("GET", f"{path}/download")
        assert (streamed["text"], headers["Content-Type"]) == (text, "text/csv; charset=utf-8")
        await helpdesk.move_clock(DAY)
        await helpdesk.refused("GET", f"{path}/download", None, "report_expired")
