"""Accounts through HTTP: how they are told of, in whatever order the news arrives, and how they are read."""

import datetime as dt
from typing import Any
from uuid import UUID

import asyncpg

from shared.clock import host_now
from tests.support.api_client import Client
from tests.support.api_people import Clock, code_of, enrol_authenticator, enrol_by_mail, good, login, put, wrong_codes
from tests.support.eventually import eventually


async def many_customers(dsn: str, client: Client, count: int) -> None:
    """Accounts that nothing is required of; their ids come before every name."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            """
            INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
            SELECT $1, '0-' || to_char(number, 'FM0000000'), 'customer', now() FROM generate_series(1, $2) AS number
            """,
            client.tenant_id,
            count,
        )
        await conn.execute("ANALYZE policy.accounts")
    finally:
        await conn.close()


async def test_a_page_may_be_empty_and_not_the_last(dsn: str, client: Client) -> None:
    """Few among many: a page looks at so many accounts and no more, and its cursor goes on from there."""
    required = {"required": {"scope": "roles", "roles": ["agent"]}, "grace_days": 7}
    await good(client, "PUT", "/v1/policy", required)
    await many_customers(dsn, client, 7_000)
    await put(client, "zoe")
    found, pages, cursor = [], 0, ""
    while True:
        page = await good(client, "GET", f"/v1/accounts?state=grace{cursor}")
        found += [account["account_id"] for account in page["data"]]
        pages += 1
        if not page["has_more"]:
            break
        assert page["next_cursor"]
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["zoe"]
    assert pages > 1


def event(number: int, kind: str, **data: object) -> dict[str, object]:
    """What a helpdesk says of ada."""
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/acme",
        "type": f"account.{kind}",
        "subject": "ada",
        "data": data,
    }


async def hand_in(dsn: str, client: Client, *events: dict[str, object]) -> list[str]:
    """Hand events in, one request, and wait until they are handled; what was answered to each."""
    told = await good(client, "POST", "/v1/events", list(events))
    wanted = {UUID(result["message_id"]) for result in told["results"]}

    async def handled() -> set[UUID]:
        conn = await asyncpg.connect(dsn)
        try:
            rows = await conn.fetch("SELECT message_id FROM bus.inbox WHERE message_id = ANY ($1)", list(wanted))
        finally:
            await conn.close()
        return {row["message_id"] for row in rows}

    await eventually(handled, lambda found: found == wanted)
    return [result["status"] for result in told["results"]]


async def upserts(client: Client) -> list[Any]:
    """What changed of ada, oldest first, as the feed tells it."""
    feed = await good(client, "GET", "/v1/events")
    return [each["data"] for each in feed["data"] if each["type"] == "account.upserted" and each["subject"] == "ada"]


async def test_news_of_an_account_in_the_wrong_order_leave_the_newest(dsn: str, client: Client) -> None:
    """A queue at the helpdesk that retries must not make an admin a customer again."""
    await hand_in(dsn, client, event(3, "upserted", role="admin", email="new@acme.example", version=3))
    late = [
        event(1, "upserted", role="customer", email="old@acme.example", version=1),
        event(2, "upserted", role="agent", email="old@acme.example", active=False, version=2),
    ]
    assert await hand_in(dsn, client, *late) == ["accepted", "accepted"]
    ada = await good(client, "GET", "/v1/accounts/ada")
    assert (ada["role"], ada["email"], ada["active"], ada["version"]) == ("admin", "n•••@acme.example", True, 3)
    answer = await good(client, "PUT", "/v1/accounts/ada", {"role": "customer", "version": 2})
    assert (answer["role"], answer["version"]) == ("admin", 3)
    await hand_in(dsn, client, event(4, "upserted", role="agent", version=4))
    assert (await good(client, "GET", "/v1/accounts/ada"))["role"] == "agent"


async def test_an_event_twice_has_one_effect(dsn: str, client: Client) -> None:
    """Source and id name an event, whatever request it comes in; the same news under another id changes nothing."""
    first = event(1, "upserted", role="agent", version=1)
    assert await hand_in(dsn, client, first, first) == ["accepted", "duplicate"]
    assert await hand_in(dsn, client, {**first, "data": {"role": "admin", "version": 9}}) == ["duplicate"]
    assert await hand_in(dsn, client, {**first, "id": "2"}) == ["accepted"]
    told = await eventually(lambda: upserts(client), lambda said: len(said) >= 1)
    assert [(each["role"], each["is_new"]) for each in told] == [("agent", True)]
    assert (await good(client, "GET", "/v1/accounts/ada"))["version"] == 1


async def test_events_without_a_version_are_taken_as_they_come(dsn: str, client: Client) -> None:
    """A helpdesk that counts no versions has one event after the other to say what holds."""
    await hand_in(dsn, client, event(1, "upserted", role="agent", email="old@acme.example", version=5))
    await hand_in(dsn, client, event(2, "email_changed", email="new@acme.example", email_verified=True))
    await hand_in(dsn, client, event(3, "sso_changed", sso=True))
    ada = await good(client, "GET", "/v1/accounts/ada")
    assert (ada["email"], ada["sso"], ada["version"]) == ("n•••@acme.example", True, 5)
    await hand_in(dsn, client, event(4, "upserted", role="agent", email="old@acme.example", version=4))
    assert (await good(client, "GET", "/v1/accounts/ada"))["email"] == "n•••@acme.example"


async def test_an_older_change_of_password_ends_nothing(dsn: str, client: Client) -> None:
    """The newest stands: else a late event would make a waiting recovery wait less."""
    now = host_now()
    await hand_in(dsn, client, event(1, "upserted", role="agent"))
    newest, older = now - dt.timedelta(hours=1), now - dt.timedelta(hours=5)
    await hand_in(dsn, client, event(2, "password_changed", changed_at=newest.isoformat()))
    await hand_in(dsn, client, event(3, "password_changed", changed_at=older.isoformat()))

    async def said() -> list[str]:
        feed = await good(client, "GET", "/v1/events")
        return [each["data"]["changed_at"] for each in feed["data"] if each["type"] == "account.password_changed"]

    told = await eventually(said, lambda instants: len(instants) >= 1)
    assert [dt.datetime.fromisoformat(each) for each in told] == [newest]


async def test_a_change_of_password_without_an_instant_is_one_of_now(dsn: str, client: Client) -> None:
    """In a sandbox that is days ahead too: what was trusted until a moment ago is trusted no more."""
    clock = Clock()
    app = await enrol_authenticator(client, "ada")
    await clock.move(client, dt.timedelta(days=3))
    challenge = await login(client, "ada")
    typed = {"code": app.at(clock.now), "trust_device": True}
    passed = await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", typed)
    body = {
        "account_id": "ada",
        "first_factor": {"method": "password"},
        "trusted_device_token": passed["trusted_device"]["token"],
    }
    assert (await good(client, "POST", "/v1/logins", body))["decision"] == "allow"
    await hand_in(dsn, client, event(1, "password_changed"))
    assert (await good(client, "POST", "/v1/logins", body))["decision"] == "challenge"


async def test_an_account_is_told_with_all_that_holds_it_back(client: Client) -> None:
    """What an admin needs when somebody is on the phone: factors, codes left, the wait, the recovery, the deadline."""
    clock = Clock()
    app = await enrol_authenticator(client, "ada")
    await put(client, "ben")
    await clock.move(client, dt.timedelta(days=8))  # the addresses have settled
    await good(client, "PUT", "/v1/policy", {"required": {"scope": "all"}, "grace_days": 7})
    challenge = await login(client, "ada")
    path = f"/v1/challenges/{challenge['id']}/verify"
    await good(client, "POST", path, {"backup_code": app.backup_codes[0], "trust_device": True})
    challenge = await login(client, "ada")
    for code in wrong_codes(app.seed, clock.now, 5):
        await client.call("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code})
    recovery = await good(client, "POST", "/v1/accounts/ada/recovery", {})

    ada = await good(client, "GET", "/v1/accounts/ada")
    assert [(each["id"], each["type"], each["state"]) for each in ada["factors"]] == [(app.factor_id, "totp", "active")]
    assert ada["backup_codes"]["codes_left"] == 9
    assert ada["enforcement"]["state"] == "satisfied"
    assert (ada["recovery"]["id"], ada["recovery"]["state"]) == (recovery["id"], "draft")
    wait = dt.datetime.fromisoformat(ada["throttled_until"]) - clock.now
    assert dt.timedelta() < wait <= dt.timedelta(seconds=30)
    assert "seed" not in str(ada)

    ben = await good(client, "GET", "/v1/accounts/ben")
    assert (ben["factors"], ben["recovery"], ben["throttled_until"]) == ([], None, None)
    assert ben["backup_codes"] == {
        "codes_left": 0,
        "generated_at": None,
        "acknowledged_at": None,
        "recovery_key": None,
        "pending": None,
    }
    assert ben["enforcement"]["state"] == "grace"
    left = dt.datetime.fromisoformat(ben["enforcement"]["deadline"]) - clock.now
    assert dt.timedelta(days=6, hours=23) < left <= dt.timedelta(days=7)


async def test_a_challenge_is_told_with_all_that_a_page_shows(client: Client) -> None:
    """Where the code went, how many tries are left, when another may be asked for; and how it ended."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    opened = await login(client, "ada")
    path = f"/v1/challenges/{opened['id']}"
    code = await code_of(client, "ada", after=1)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert (await client.call("POST", f"{path}/verify", {"code": wrong})).json["attempts_left"] == 4

    told = await good(client, "GET", path)
    [offered] = told["factors"]
    assert (told["state"], told["purpose"], told["attempts_left"], told["sends_left"]) == ("open", "sign_in", 4, 3)
    assert (offered["type"], offered["destination"]) == ("email", "a•••@acme.example")
    assert (told["sent_to"], told["has_backup_codes"]) == (offered["factor_id"], True)
    wait = dt.datetime.fromisoformat(told["next_send_at"]) - host_now()
    assert dt.timedelta() < wait <= dt.timedelta(seconds=30)
    [delivery] = told["deliveries"]
    assert (delivery["channel"], delivery["notification"]) == ("email", "code")
    assert not {code, "ada@acme.example"} & set(str(told).replace("'", " ").split())

    await good(client, "POST", f"{path}/verify", {"code": code})
    after = await good(client, "GET", path)
    assert (after["state"], after["attempts_left"], after["next_send_at"]) == ("verified", 0, None)
    late = await client.call("POST", f"{path}/cancel", {})
    assert (late.status, late.code) == (409, "challenge_not_open")
