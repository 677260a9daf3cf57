"""Who must have a second factor, through HTTP: one account's own requirement, and policies that are refused."""

import datetime as dt
from typing import Any

from tests.support.api_client import Client
from tests.support.api_people import Clock, enrol_authenticator, good, login, put
from tests.support.eventually import eventually

PASSWORD = {"method": "password"}
DAY = dt.timedelta(days=1)


async def put_admin(client: Client, account_id: str = "root") -> None:
    """An admin without a factor."""
    await put(client, account_id)
    await good(client, "PUT", f"/v1/accounts/{account_id}", {"role": "admin"})


async def decision(client: Client, account_id: str = "ada", **more: object) -> Any:
    """What becomes of a login."""
    body = {"account_id": account_id, "first_factor": PASSWORD, **more}
    return (await good(client, "POST", "/v1/logins", body))["decision"]


async def test_an_admin_requires_exempts_and_extends(client: Client) -> None:
    """The login follows the admin's word in the same moment; the record names who gave it, and why."""
    clock, path = Clock(), "/v1/accounts/ada/enforcement"
    await put_admin(client)
    await put(client, "ada")
    assert await decision(client) == "allow"
    by_root = {"actor": "root", "reason": "Payroll"}
    await good(client, "PUT", path, {"required": True, **by_root})
    assert await decision(client) == "enrol_optional"
    exempt = {"exempt_until": (clock.now + 3 * DAY).isoformat(), **by_root}
    told = await good(client, "PUT", path, exempt)
    assert told["enforcement"]["state"] == "exempt"
    assert await decision(client) == "allow"
    extended = {"exempt_until": None, "extended_until": (clock.now + 20 * DAY).isoformat(), **by_root}
    await good(client, "PUT", path, extended)
    await clock.move(client, 8 * DAY)
    assert await decision(client) == "enrol_optional"
    await good(client, "DELETE", f"{path}?actor=root&reason=Moved")
    assert await decision(client) == "allow"


async def test_an_enforcement_that_says_nothing_is_refused(client: Client) -> None:
    """What cannot be meant is told at once, with the field."""
    await put(client, "ada")
    path = "/v1/accounts/ada/enforcement"
    assert (await client.call("PUT", path, {"reason": "?"})).status == 422
    assert (await client.call("PUT", path, {"required": True})).status == 422
    past = await client.call("PUT", path, {"exempt_until": "2020-01-01T00:00:00Z", "reason": "?"})
    assert (past.status, past.code) == (422, "until_out_of_range")
    unknown = await client.call("PUT", "/v1/accounts/nobody/enforcement", {"required": True, "reason": "?"})
    assert (unknown.status, unknown.code) == (404, "account_not_found")
    assert (await client.call("DELETE", path)).status == 422
    own = await client.call("PUT", path, {"required": True, "reason": "?", "actor": "ada"})
    assert own.code == "not_on_oneself"


async def test_the_last_admins_are_not_locked_out_by_mistake(client: Client) -> None:
    """Refused until one of them has a factor, or somebody means it."""
    policy = {"required": {"scope": "all"}, "grace_days": 7}
    await put_admin(client)
    refused = await client.call("PUT", "/v1/policy", policy)
    assert (refused.status, refused.code) == (409, "would_lock_out_admins")
    await good(client, "PUT", "/v1/policy", {**policy, "force": True})
    await good(client, "PUT", "/v1/policy", {})
    await enrol_authenticator(client, "root")
    await good(client, "PUT", "/v1/accounts/root", {"role": "admin"})
    await good(client, "PUT", "/v1/policy", policy)


async def test_a_shorter_deadline_leaves_a_day_unless_immediately(client: Client) -> None:
    """The login decides by the same notice as the timers."""
    clock = Clock()
    await put(client, "ada")
    everybody = {"required": {"scope": "all"}}
    await good(client, "PUT", "/v1/policy", {**everybody, "grace_days": 30})
    await clock.move(client, 10 * DAY)
    await good(client, "PUT", "/v1/policy", {**everybody, "grace_days": 7})
    assert await decision(client) == "enrol_optional"
    await good(client, "PUT", "/v1/policy", {**everybody, "grace_days": 7, "immediately": True})
    assert await decision(client) == "locked_out"


async def test_a_password_for_the_api_is_denied_in_any_requirement(client: Client) -> None:
    """Row 28: a password alone opens no API where a second factor is asked for, unless the tenant allows the grace."""
    api = {"purpose": "api_password"}
    everybody = {"required": {"scope": "all"}, "grace_days": 7}
    await put(client, "ada")
    assert await decision(client, **api) == "allow"
    await good(client, "PUT", "/v1/policy", everybody)
    denied = await good(client, "POST", "/v1/logins", {"account_id": "ada", "first_factor": PASSWORD, **api})
    assert (denied["decision"], denied["reason"]) == ("deny", "2fa_required")
    await good(client, "PUT", "/v1/policy", {**everybody, "api_password": "allow_in_grace"})
    assert await decision(client, **api) == "allow"
    await good(client, "PUT", "/v1/policy", {})
    await enrol_authenticator(client, "ada")
    assert await decision(client, **api) == "deny"


async def test_the_gate_tells_running_sessions_whether_to_go_on(client: Client) -> None:
    """Asked at every page, it may be kept a minute; after a lock nobody works on in an old tab."""
    clock, path = Clock(), "/v1/accounts/ada/gate"
    await put(client, "ada")
    opened = await client.call("GET", path)
    assert opened.json == {
        "allowed": True, "reason": "not_required", "state": "not_required", "sessions_valid_from": None,
    }  # fmt: skip
    assert opened.headers["Cache-Control"] == "private, max-age=60"
    await good(client, "PUT", "/v1/policy", {"required": {"scope": "all"}, "grace_days": 7})
    await clock.move(client, 8 * DAY)
    closed = await eventually(lambda: good(client, "GET", path), lambda gate: gate["sessions_valid_from"] is not None)
    assert (closed["allowed"], closed["reason"]) == (False, "deadline_passed")
    unknown = await client.call("GET", "/v1/accounts/nobody/gate")
    assert (unknown.status, unknown.headers["Cache-Control"]) == (404, "no-store")


async def test_sso_ends_what_is_under_way_and_leaving_it_starts_the_grace(client: Client) -> None:
    """Row 27: the factor lies dormant, a password login of the account is judged like any other."""
    clock = Clock()
    app = await enrol_authenticator(client, "ada")
    challenge = await login(client, "ada")
    await good(client, "PUT", "/v1/accounts/ada", {"sso": True})
    path = f"/v1/challenges/{challenge['id']}"
    await eventually(lambda: good(client, "GET", path), lambda seen: seen["state"] == "cancelled")
    by_sso = {"account_id": "ada", "first_factor": {"method": "sso", "idp": "https://idp.acme.example"}}
    assert (await good(client, "POST", "/v1/logins", by_sso))["reason"] == "sso"
    assert await decision(client) == "challenge"
    trusting = {"required": {"scope": "all"}, "trusted_idps": ["https://idp.acme.example"]}
    await good(client, "PUT", "/v1/policy", trusting)
    by_sso["first_factor"] = {**by_sso["first_factor"], "amr": ["pwd", "mfa"]}  # type: ignore[dict-item]
    assert (await good(client, "POST", "/v1/logins", by_sso))["reason"] == "idp_second_factor"

    await put(client, "ben")
    await good(client, "PUT", "/v1/accounts/ben", {"sso": True})
    await clock.move(client, 30 * DAY)
    await good(client, "PUT", "/v1/accounts/ben", {"sso": False})
    answer = await good(client, "POST", "/v1/logins", {"account_id": "ben", "first_factor": PASSWORD})
    assert answer["decision"] == "enrol_optional"
    left = dt.datetime.fromisoformat(answer["deadline"]) - clock.now
    assert dt.timedelta(days=6, hours=23) < left <= dt.timedelta(days=7)
    await good(client, "PUT", "/v1/accounts/ada", {"sso": False})
    challenge = await login(client, "ada")
    code = {"code": app.at(clock.now)}
    await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", code)


async def test_a_policy_is_tried_out_before_it_is_saved(client: Client) -> None:
    """A roll-out without a Monday of locked-out agents: who, on which day, and nothing is changed by asking."""
    await put_admin(client)
    await put(client, "ada")
    await enrol_authenticator(client, "ben")
    policy = {"required": {"scope": "all"}, "grace_days": 7}
    before = await good(client, "GET", "/v1/policy")
    seen = await good(client, "POST", "/v1/policy/preview", {"policy": policy})
    assert seen["would_lock_out_admins"] is True
    assert (seen["totals"]["grace"], seen["totals"]["satisfied"]) == (2, 1)
    [day] = seen["days"]
    assert (day["locked_out"], day["admins"], day["unreachable"]) == (2, 1, 0)
    assert [(each["account_id"], each["is_admin"]) for each in day["accounts"]] == [("ada", False), ("root", True)]
    assert await good(client, "GET", "/v1/policy") == before
    assert (await client.call("POST", "/v1/policy/preview", {"policy": {"grace_days": -1}})).status == 422
    assert (await client.call("POST", "/v1/policy/preview", {})).status == 422
