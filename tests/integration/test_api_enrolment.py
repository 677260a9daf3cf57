"""Enrolments that go wrong or are given up, through HTTP: what was there before keeps working."""

import datetime as dt
from typing import Any

import pyotp

from tests.support.api_client import Answer, Client
from tests.support.api_people import Clock, code_of, enrol_authenticator, good, login, put, wrong_codes

STEP = dt.timedelta(seconds=30)
MINUTE = dt.timedelta(minutes=1)
FACTORS = "/v1/accounts/ada/factors"


async def begin(client: Client, **body: object) -> tuple[str, Any]:
    """A pending factor: its path, and what was answered."""
    made = await good(client, "POST", FACTORS, body)
    return f"{FACTORS}/{made['factor']['id']}", made


async def type_in(client: Client, path: str, codes: list[str]) -> list[Answer]:
    """One after the other."""
    return [await client.call("POST", f"{path}/confirm", {"code": code}) for code in codes]


async def states(client: Client) -> list[tuple[str, str]]:
    """The account's factors."""
    return [(each["type"], each["state"]) for each in (await good(client, "GET", FACTORS))["data"]]


async def test_five_wrong_codes_end_an_enrolment(client: Client) -> None:
    """Nobody guesses a stranger's number into an account; whoever mistyped begins again, and is not throttled."""
    await put(client, "ada")
    path, made = await begin(client, type="totp")
    code = pyotp.TOTP(made["totp"]["seed"]).at(Clock().now)
    answers = await type_in(client, path, wrong_codes(made["totp"]["seed"], Clock().now, 5))
    assert [(answer.status, answer.code) for answer in answers] == [(422, "code_wrong")] * 5
    assert [answer.json["attempts_left"] for answer in answers] == [4, 3, 2, 1, 0]
    right = await client.call("POST", f"{path}/confirm", {"code": code})
    assert (right.status, right.code) == (409, "challenge_exhausted")
    assert await states(client) == [("totp", "pending")]
    assert (await good(client, "GET", "/v1/accounts/ada"))["throttled_until"] is None

    again, made = await begin(client, type="totp")
    assert again != path
    await good(client, "POST", f"{again}/confirm", {"code": pyotp.TOTP(made["totp"]["seed"]).at(Clock().now)})
    assert await states(client) == [("totp", "active")]


async def test_an_exhausted_enrolment_by_mail_sends_no_more(client: Client) -> None:
    """A new code would be a new set of five guesses."""
    await put(client, "ada")
    path, _ = await begin(client, type="email")
    code = await code_of(client, "ada")
    await type_in(client, path, [f"{(int(code) + number) % 1_000_000:06}" for number in range(1, 6)])
    refused = await client.call("POST", f"{path}/send", {})
    assert (refused.status, refused.code) == (409, "challenge_exhausted")


async def test_a_failed_re_enrolment_leaves_the_old_factor_alone(client: Client) -> None:
    """The person still has the old phone in hand: five typos on the new one must not lock them out."""
    clock = Clock()
    app = await enrol_authenticator(client, "ada")
    await clock.move(client, STEP)
    proof = await login(client, "ada")
    await good(client, "POST", f"/v1/challenges/{proof['id']}/verify", {"code": app.at(clock.now)})

    path, made = await begin(client, type="totp", replaces=app.factor_id, proof=proof["id"])
    answers = await type_in(client, path, wrong_codes(made["totp"]["seed"], clock.now, 5))
    assert answers[-1].json["attempts_left"] == 0
    await clock.move(client, STEP)
    challenge = await login(client, "ada")
    assert [each["factor_id"] for each in challenge["factors"]] == [app.factor_id]
    passed = await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", {"code": app.at(clock.now)})
    assert passed["assertion"]


async def test_an_abandoned_re_enrolment_expires_and_leaves_the_old_factor_alone(client: Client) -> None:
    """A QR code that was shown and never scanned is worth nothing a quarter of an hour later."""
    clock = Clock()
    app = await enrol_authenticator(client, "ada")
    await clock.move(client, STEP)
    proof = await login(client, "ada")
    await good(client, "POST", f"/v1/challenges/{proof['id']}/verify", {"code": app.at(clock.now)})

    path, made = await begin(client, type="totp", replaces=app.factor_id, proof=proof["id"])
    assert await states(client) == [("totp", "active"), ("totp", "pending")]
    await clock.move(client, 15 * MINUTE)
    assert await states(client) == [("totp", "active")]
    code = pyotp.TOTP(made["totp"]["seed"]).at(clock.now)
    late = await client.call("POST", f"{path}/confirm", {"code": code})
    assert late.status == 409
    assert late.code in ("challenge_expired", "factor_not_pending")  # the latter once the duty has said so
    challenge = await login(client, "ada")
    passed = await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", {"code": app.at(clock.now)})
    assert passed["method"] == "totp"
    assert (await good(client, "GET", "/v1/accounts/ada"))["backup_codes"]["codes_left"] == 10
