"""A sandbox's clock, through HTTP: all that a person waits for or loses by waiting follows it."""

import datetime as dt
from typing import Any

import pytest

from tests.support.api_client import Answer, Client
from tests.support.api_people import (
    Authenticator,
    Clock,
    code_of,
    enrol_authenticator,
    enrol_by_mail,
    good,
    login,
    put,
    wrong_codes,
)

SECOND = dt.timedelta(seconds=1)
STEP = 30 * SECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


async def verify(client: Client, challenge: Any, **typed: object) -> Answer:
    """What comes of an answer to a challenge."""
    return await client.call("POST", f"/v1/challenges/{challenge['id']}/verify", typed)


async def passes(client: Client, clock: Clock, app: Authenticator, **more: object) -> Any:
    """A login with the app, one step later."""
    await clock.move(client, STEP)
    answer = await verify(client, await login(client, "ada"), code=app.at(clock.now), **more)
    assert answer.status == 200, answer.text
    return answer.json


@pytest.fixture
async def clock() -> Clock:
    """The tenant's."""
    return Clock()


async def test_a_challenge_and_its_code_are_over_after_ten_minutes(client: Client, clock: Clock) -> None:
    """The code of this morning opens nothing in the afternoon, to the second."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    challenge = await login(client, "ada")
    code = await code_of(client, "ada", after=1)
    await clock.move(client, 10 * MINUTE)
    late = await verify(client, challenge, code=code)
    assert (late.status, late.code) == (409, "challenge_expired")
    assert (await good(client, "GET", f"/v1/challenges/{challenge['id']}"))["state"] == "expired"
    assert (await login(client, "ada"))["id"] != challenge["id"]


async def test_a_code_lives_until_then(client: Client, clock: Clock) -> None:
    """A mail that took nine minutes is still good."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    challenge = await login(client, "ada")
    code = await code_of(client, "ada", after=1)
    await clock.move(client, 9 * MINUTE)
    assert (await verify(client, challenge, code=code)).status == 200


async def test_the_next_code_may_be_asked_for_when_its_time_has_come(client: Client, clock: Clock) -> None:
    """30 s between the first two; what was told in seconds is what has to pass."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    challenge = await login(client, "ada")
    path = f"/v1/challenges/{challenge['id']}/send"
    early = await client.call("POST", path, {})
    assert (early.status, early.code) == (429, "too_soon")
    assert 0 < int(early.headers["Retry-After"]) <= 30
    await clock.move(client, STEP)
    assert (await client.call("POST", path, {})).status == 202


async def test_a_throttle_ends_after_its_wait(client: Client, clock: Clock) -> None:
    """Five wrong codes: half a minute for the owner, who then gets in; the right code does not help before."""
    app = await enrol_authenticator(client, "ada")
    await clock.move(client, STEP)
    challenge = await login(client, "ada")
    for code in wrong_codes(app.seed, clock.now, 5):
        assert (await verify(client, challenge, code=code)).code == "code_wrong"
    waiting = await verify(client, await login(client, "ada"), code=app.at(clock.now))
    assert (waiting.status, waiting.code) == (429, "throttled")
    assert 0 < int(waiting.headers["Retry-After"]) <= 30
    assert (await good(client, "GET", "/v1/accounts/ada"))["throttled_until"] is not None
    assert (await passes(client, clock, app))["method"] == "totp"
    assert (await good(client, "GET", "/v1/accounts/ada"))["throttled_until"] is None


async def test_a_day_of_guessing_is_over_after_a_day(client: Client, clock: Clock) -> None:
    """Twenty failures close the codes until a day after the first of them, however long each of them had to wait."""
    app = await enrol_authenticator(client, "ada")
    challenge = await login(client, "ada")
    for code in wrong_codes(app.seed, clock.now, 5):
        assert (await verify(client, challenge, code=code)).code == "code_wrong"
    for _ in range(15):
        await clock.move(client, HOUR)
        [code] = wrong_codes(app.seed, clock.now, 1)
        assert (await verify(client, await login(client, "ada"), code=code)).code == "code_wrong"
    await clock.move(client, 9 * HOUR - MINUTE)
    closed = await verify(client, await login(client, "ada"), code=app.at(clock.now))
    assert (closed.code, 0 < int(closed.headers["Retry-After"]) <= 60) == ("throttled", True)
    await clock.move(client, MINUTE)
    assert (await passes(client, clock, app))["method"] == "totp"


async def test_a_trust_lasts_its_days(client: Client, clock: Clock) -> None:
    """Thirty days by default: the login of the last second passes, the next one is challenged."""
    app = await enrol_authenticator(client, "ada")
    token = (await passes(client, clock, app, trust_device=True))["trusted_device"]["token"]
    body = {"account_id": "ada", "first_factor": {"method": "password"}, "trusted_device_token": token}
    await clock.move(client, 30 * DAY - MINUTE)
    assert (await good(client, "POST", "/v1/logins", body))["reason"] == "trusted_device"
    await clock.move(client, MINUTE)
    assert (await good(client, "POST", "/v1/logins", body))["decision"] == "challenge"
    assert (await good(client, "GET", "/v1/accounts/ada/trusted-devices"))["data"] == []


async def test_a_proof_is_fresh_for_ten_minutes(client: Client, clock: Clock) -> None:
    """A browser left open over lunch must not change factors."""
    app = await enrol_authenticator(client, "ada")
    await clock.move(client, STEP)
    challenge = await login(client, "ada", purpose="step_up")
    assert (await verify(client, challenge, code=app.at(clock.now))).status == 200
    await clock.move(client, 10 * MINUTE)
    body = {"type": "totp", "proof": challenge["id"]}
    refused = await client.call("POST", "/v1/accounts/ada/factors", body)
    assert (refused.status, refused.code) == (403, "proof_required")


async def test_a_pending_factor_is_over_after_a_quarter_of_an_hour(client: Client, clock: Clock) -> None:
    """Confirmed in the last minute it counts, a minute later it is gone."""
    await put(client, "ada")
    made = await good(client, "POST", "/v1/accounts/ada/factors", {"type": "totp"})
    path = f"/v1/accounts/ada/factors/{made['factor']['id']}/confirm"
    app = Authenticator(made["factor"]["id"], made["totp"]["seed"], ())
    await clock.move(client, 14 * MINUTE)
    assert [each["state"] for each in (await good(client, "GET", "/v1/accounts/ada"))["factors"]] == ["pending"]
    await clock.move(client, MINUTE)
    assert (await client.call("POST", path, {"code": app.at(clock.now)})).status == 409
    assert (await good(client, "GET", "/v1/accounts/ada"))["factors"] == []


async def test_what_is_said_is_dated_by_the_moved_clock(client: Client, clock: Clock) -> None:
    """The timeline of a sandbox reads as that of a real tenant would: in order."""
    await put(client, "ada")
    await clock.move(client, 5 * DAY)
    await enrol_by_mail(client, "ada")
    message = (await good(client, "GET", "/v1/sandbox/messages?account_id=ada"))["data"][0]
    account = await good(client, "GET", "/v1/accounts/ada")
    said = [message["sent_at"], account["factors"][0]["created_at"], account["factors"][0]["confirmed_at"]]
    for instant in said:
        assert abs(dt.datetime.fromisoformat(instant) - clock.now) < MINUTE
    assert clock.now - dt.datetime.fromisoformat(account["created_at"]) > 4 * DAY
