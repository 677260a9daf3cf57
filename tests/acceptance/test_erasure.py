"""A person leaves a helpdesk: what is still known of them afterwards, and what a late message can bring back."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import asyncpg
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.leaving import DOCUMENTED, places_of
from tests.support.people import enrolled, open_world
from tests.support.prompt_browser import PromptBrowser
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PHONE = "+447700900987"


@pytest.fixture
async def conn(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Whoever may read everything."""
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


async def erase(helpdesk: Helpdesk, account_id: str) -> None:
    """Delete, and ask again until it is done."""
    path = f"/v1/accounts/{account_id}"
    await helpdesk.call("DELETE", path, expect=202)
    await eventually(lambda: helpdesk.call("DELETE", path, expect=202), lambda answer: answer["is_finished"])


async def erasures(helpdesk: Helpdesk) -> list[Json]:
    """The entries that say so and can be read."""
    found = (await helpdesk.call("GET", "/v1/audit?types=account.erased"))["data"]
    return [each for each in found if each["event"] is not None]


def event(kind: str, account_id: str, **data: object) -> Mapping[str, object]:
    """What a helpdesk says."""
    own = {"specversion": "1.0", "id": str(new_id()), "source": "/acme", "type": f"account.{kind}"}
    return own | {"subject": account_id, "data": data}


async def tell(helpdesk: Helpdesk, conn: "asyncpg.Connection[asyncpg.Record]", *events: Mapping[str, object]) -> None:
    """Hand events in one after the other, each when the one before is handled."""
    for each in events:
        answer = await helpdesk.call("POST", "/v1/events", each, expect=202)
        message_id = UUID(answer["results"][0]["message_id"])
        handled = "SELECT EXISTS (SELECT FROM bus.inbox WHERE message_id = $1)"
        await eventually(lambda handled=handled, of=message_id: conn.fetchval(handled, of), bool)  # type: ignore[misc]


async def whole_life(helpdesk: Helpdesk, account_id: str) -> str:
    """Factors, codes, a trusted device, wrong tries, a recovery, notices, a report; the device's token."""
    ann = await enrolled(helpdesk, account_id)
    await helpdesk.call("PUT", f"/v1/accounts/{account_id}", {"phone": PHONE, "version": 3})
    await helpdesk.move_clock(dt.timedelta(minutes=1))
    challenge = (await helpdesk.login(account_id))["challenge"]
    verify = f"/v1/challenges/{challenge['id']}/verify"
    code = ann.totp(helpdesk.now)
    await helpdesk.refused("POST", verify, {"code": f"{(int(code) + 500_000) % 1_000_000:06}"}, "code_wrong")
    passed = await helpdesk.verify(challenge, code=code, trust_device=True)
    await helpdesk.call("PUT", f"/v1/accounts/{account_id}", {"email": "new@acme.example", "email_verified": True})
    await helpdesk.call("POST", "/v1/reports", {"role": "agent"}, expect=202)
    token: str = passed["trusted_device"]["token"]
    return token


async def test_only_what_is_documented_remains(stack: Stack, conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Art. 17 GDPR: every table is searched for the id, the address and the number of somebody who has left."""
    account_id = f"leaver-{new_id().hex}"
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await whole_life(helpdesk, account_id)
        await eventually(
            lambda: helpdesk.call("GET", f"/v1/accounts/{account_id}/timeline"),
            lambda page: any(each["type"] == "notification.sent" for each in page["data"]),
        )
        before = await places_of(conn, account_id)
        assert before >= {"policy.accounts", "otp.accounts", "otp.factors", "notifier.deliveries", "audit.account_keys"}
        await erase(helpdesk, account_id)
        words = (account_id, f"{account_id}@{helpdesk.domain}", "new@acme.example", PHONE)
        await eventually(lambda: places_of(conn, *words), lambda found: found <= DOCUMENTED)
        await conn.execute("DELETE FROM bus.outbox WHERE tenant_id = $1", world.tenant_id)  # as its time does
        assert await places_of(conn, *words) == {"policy.erasures"}
        await helpdesk.refused("GET", f"/v1/accounts/{account_id}/timeline", None, "account_not_found")
        await helpdesk.refused("GET", f"/v1/accounts/{account_id}", None, "account_not_found")
        [erased] = await eventually(lambda: erasures(helpdesk), bool)
        assert "subject" not in erased["event"]
        assert await world.verify_audit(world.tenant_id) > 0


async def test_the_same_id_later_is_somebody_else(stack: Stack) -> None:
    """Nothing that the one before had opens the new account: no code, no open challenge, no trusted browser."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        token = await whole_life(helpdesk, "ann")
        challenge = (await helpdesk.login("ann"))["challenge"]
        await erase(helpdesk, "ann")
        await helpdesk.call("PUT", "/v1/accounts/ann", {"role": "agent"})
        status = await helpdesk.call("GET", "/v1/accounts/ann")
        assert (status["factors"], status["trusted_devices"], status["email"]) == ([], [], None)
        verify = f"/v1/challenges/{challenge['id']}/verify"
        await helpdesk.refused("POST", verify, {"code": "123456"}, "challenge_not_found")
        again = await helpdesk.login("ann", trusted_device_token=token)
        assert (again["decision"], again["reason"]) == ("allow", "not_required")
        assert (await enrolled(helpdesk, "ann")).backup_codes


async def test_news_late_twice_and_in_the_wrong_order_leave_the_newest(
    stack: Stack, conn: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Events travel on their own: whatever their order, what the helpdesk said last is what holds."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        upserted = event("upserted", "eve", role="agent", email="eve@acme.example", version=1)
        news = [
            event("sso_changed", "eve", sso=True, version=4),
            event("email_changed", "eve", email="third@acme.example", version=3),
            event("sso_changed", "eve", sso=False, version=2),
            event("email_changed", "eve", email="second@acme.example", version=2),
            event("password_changed", "eve", version=5),
        ]
        await tell(helpdesk, conn, upserted, *news, *news[::-1], upserted)
        eve = await helpdesk.call("GET", "/v1/accounts/eve")
        assert (eve["sso"], eve["email"], eve["version"]) == (True, "t•••@acme.example", 5)
        deleted = event("deleted", "eve", version=6)
        late = event("upserted", "eve", role="admin", version=5)
        await tell(helpdesk, conn, deleted, late, event("email_changed", "eve", email="x@acme.example", version=4))
        await helpdesk.refused("GET", "/v1/accounts/eve", None, "account_not_found")
        await helpdesk.refused("PUT", "/v1/accounts/eve", {"role": "admin", "version": 6}, "account_erased")
        await tell(
            helpdesk, conn, event("upserted", "eve", role="agent", version=7), event("deleted", "eve", version=6)
        )
        eve = await helpdesk.call("GET", "/v1/accounts/eve")
        assert (eve["role"], eve["sso"], eve["email"], eve["version"]) == ("agent", False, None, 7)


async def test_a_page_of_the_one_before_opens_nothing_of_the_new_one(stack: Stack) -> None:
    """Whoever left their browser open, or an address in a mail, would act on a stranger's account."""
    home = "https://help.acme.example/signed-in"
    async with open_world(stack) as world, PromptBrowser(stack.url) as browser, PromptBrowser(stack.url) as other:
        helpdesk = world.helpdesk
        await helpdesk.call("PUT", "/v1/tenant", {"name": "Acme", "return_urls": [home]})
        await enrolled(helpdesk, "ann")
        opened, unopened = [(await helpdesk.login("ann", return_url=home))["prompt_url"] for _ in range(2)]
        page = await browser.get(opened)
        assert page.status == 200
        await erase(helpdesk, "ann")
        await enrolled(helpdesk, "ann")
        assert (await browser.send(page.form(), code="123456")).status >= 400
        assert (await other.get(unopened)).status >= 400
