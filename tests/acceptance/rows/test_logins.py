"""Rows 15, 16, 27, 28 and 32 of docs/features.md: what a login is answered."""

import datetime as dt

import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person
from shared.ids import new_id
from tests.support.backend import (
    DAY,
    MINUTE,
    SECOND,
    STEP,
    add_app,
    challenge_of,
    happened,
    instant,
    path_of,
    proof_of,
    put,
    require,
    status,
)
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

API_PASSWORD = {"purpose": "api_password"}
DEVICES = path_of("ann", "trusted-devices")


async def trusted(helpdesk: Helpdesk, person: Person) -> Json:
    """A device that its owner asked to trust."""
    await helpdesk.move_clock(STEP)
    challenge = await challenge_of(helpdesk, person.account_id)
    code = person.totp(helpdesk.now)
    verified = await helpdesk.verify(challenge, code=code, trust_device=True)
    device: Json = verified["trusted_device"]
    return device


async def decision(helpdesk: Helpdesk, account_id: str, **more: object) -> str:
    """What the helpdesk shall do with a login."""
    return str((await helpdesk.login(account_id, **more))["decision"])


async def test_row_15_a_code_at_every_login(stack: Stack) -> None:
    """A session that ended is over: the next login is asked again, whatever the last one proved."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, _ = await add_app(helpdesk, "ann")
        challenges = []
        for _ in range(3):
            await helpdesk.move_clock(STEP)
            challenges.append(await challenge_of(helpdesk, "ann"))
            await helpdesk.verify(challenges[-1], code=ann.totp(helpdesk.now))
        assert len({challenge["id"] for challenge in challenges}) == 3


async def test_row_16_a_device_is_trusted_for_30_days_or_as_long_as_the_tenant_says(stack: Stack) -> None:
    """Thirty days to the second, and a tenant that wants none has none, those of yesterday included."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, _ = await add_app(helpdesk, "ann")
        device = await trusted(helpdesk, ann)
        expires_at = instant(device["expires_at"])
        assert abs(expires_at - helpdesk.now - 30 * DAY) < MINUTE
        with_device = {"trusted_device_token": device["token"]}
        assert await decision(helpdesk, "ann") == "challenge"
        await helpdesk.move_clock(expires_at - helpdesk.now - MINUTE)
        assert await decision(helpdesk, "ann", **with_device) == "allow"
        await helpdesk.move_clock(MINUTE + SECOND)
        assert await decision(helpdesk, "ann", **with_device) == "challenge"

        await helpdesk.call("PUT", "/v1/policy", {"trusted_device_days": 7})
        device = await trusted(helpdesk, ann)
        assert abs(instant(device["expires_at"]) - helpdesk.now - 7 * DAY) < MINUTE
        await helpdesk.call("PUT", "/v1/policy", {"trusted_device_days": 0})
        assert await decision(helpdesk, "ann", trusted_device_token=device["token"]) == "challenge"
        assert await trusted(helpdesk, ann) is None


async def test_row_16_trust_is_listed_revoked_and_ends_with_the_factors_or_the_password(stack: Stack) -> None:
    """A laptop that is sold, a password that leaked: trust given before does not outlive either."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, _ = await add_app(helpdesk, "ann")
        first, second = await trusted(helpdesk, ann), await trusted(helpdesk, ann)
        listed = (await helpdesk.call("GET", DEVICES))["data"]
        assert {device["id"] for device in listed} == {first["id"], second["id"]}
        assert first["token"] not in str(listed)
        await helpdesk.call("DELETE", f"{DEVICES}/{first['id']}")
        assert await decision(helpdesk, "ann", trusted_device_token=first["token"]) == "challenge"
        assert await decision(helpdesk, "ann", trusted_device_token=second["token"]) == "allow"
        assert (await helpdesk.call("DELETE", DEVICES))["revoked"] == 1

        third = {"trusted_device_token": (await trusted(helpdesk, ann))["token"]}
        assert await decision(helpdesk, "ann", **third) == "allow"
        await helpdesk.move_clock(SECOND)
        changed = {
            "specversion": "1.0",
            "id": str(new_id()),
            "source": "helpdesk",
            "type": "account.password_changed",
            "subject": "ann",
            "time": helpdesk.now.isoformat(),
        }
        await helpdesk.call("POST", "/v1/events", changed, expect=202)
        await happened(helpdesk, "ann", "account.password_changed")
        assert await decision(helpdesk, "ann", **third) == "challenge"

        fourth = {"trusted_device_token": (await trusted(helpdesk, ann))["token"]}
        await add_app(helpdesk, "ann", proof=await proof_of(helpdesk, ann))
        assert await decision(helpdesk, "ann", **fourth) == "challenge"


async def test_row_27_a_login_by_sso_is_exempt_and_a_password_login_of_the_same_account_is_not(stack: Stack) -> None:
    """The identity provider asks for its own second factor; the password beside it must not be the way around both."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await require(helpdesk, grace_days=None, trusted_idps=["https://idp.example"])
        await put(helpdesk, "ann", sso=True)
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "not_required"
        sso = {"method": "sso", "idp": "https://idp.example", "amr": ["pwd", "mfa"]}
        seen = [
            await helpdesk.login("ann", first_factor=first_factor)
            for first_factor in ({"method": "sso"}, sso, {**sso, "amr": ["pwd"]}, {**sso, "idp": "https://other"})
        ]
        assert [login["decision"] for login in seen] == ["allow"] * 4
        assert [login["reason"] for login in seen] == ["sso", "idp_second_factor", "sso", "sso"]
        assert await decision(helpdesk, "ann") == "enrol"
        await put(helpdesk, "ben")
        ben, _ = await add_app(helpdesk, "ben")
        assert await decision(helpdesk, "ben", first_factor={"method": "sso"}) == "allow"
        assert await decision(helpdesk, ben.account_id) == "challenge"


async def test_row_27_a_listed_providers_second_factor_counts_and_one_that_is_not_named_vouches_for_nobody(
    stack: Stack,
) -> None:
    """Who signs in through SSO can step up only there; and the word "sso" alone opens nothing where the tenant says
    through whom its people come.
    """
    async with open_world(stack) as world:
        helpdesk, idp = world.helpdesk, "https://idp.example"
        await require(helpdesk, grace_days=None, trusted_idps=[idp])
        await put(helpdesk, "ann", sso=True)
        shown = {"method": "sso", "idp": idp, "amr": ["pwd", "mfa"], "at": helpdesk.now.isoformat()}
        step_up = await helpdesk.login("ann", first_factor=shown, purpose="step_up")
        assert (step_up["decision"], step_up["reason"]) == ("allow", "idp_second_factor")
        await helpdesk.move_clock(10 * MINUTE)
        assert await decision(helpdesk, "ann", first_factor=shown, purpose="step_up") == "deny"
        assert await decision(helpdesk, "ann", first_factor=shown) == "allow"

        await helpdesk.call("PUT", "/v1/tenant", {"name": "Acme Helpdesk", "identity_providers": [idp]})
        assert await decision(helpdesk, "ann", first_factor=shown) == "allow"
        for other in ("https://other.example", None):
            assert await decision(helpdesk, "ann", first_factor={**shown, "idp": other}) == "enrol"


async def test_row_28_a_password_alone_does_not_open_the_helpdesks_api_where_2fa_is_required(stack: Stack) -> None:
    """A script cannot be asked for a code: with a requirement or a factor it needs a token of the helpdesk instead."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        for account_id in ("ann", "ben"):
            await put(helpdesk, account_id)
        assert await decision(helpdesk, "ben", **API_PASSWORD) == "allow"
        await add_app(helpdesk, "ann")

        def denied(login: Json) -> bool:
            return (login["decision"], login["reason"]) == ("deny", "2fa_required")

        assert denied(await helpdesk.login("ann", **API_PASSWORD)), "a factor"
        await require(helpdesk, grace_days=7)
        assert denied(await helpdesk.login("ben", **API_PASSWORD)), "in grace"
        await require(helpdesk, grace_days=7, api_password="allow_in_grace")
        assert await decision(helpdesk, "ben", **API_PASSWORD) == "allow"
        assert denied(await helpdesk.login("ann", **API_PASSWORD)), "a factor, whatever the grace"
        await helpdesk.move_clock(7 * DAY)
        assert denied(await helpdesk.login("ben", **API_PASSWORD)), "locked out"


async def test_row_32_a_mobile_app_needs_json_alone_or_gives_its_own_scheme_to_return_to(stack: Stack) -> None:
    """No cookie, no page, no redirect: what a browser can do, an app can do with its backend."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, _ = await add_app(helpdesk, "ann")
        await helpdesk.move_clock(STEP)
        code, login, headers = await helpdesk.ask(
            "POST",
            "/v1/logins",
            {"account_id": "ann", "first_factor": {"method": "password"}, "context": {"user_agent": "AcmeApp/3 (iOS)"}},
        )
        assert (code, headers["Content-Type"].split(";")[0]) == (200, "application/json")
        assert "Set-Cookie" not in headers
        verified = await helpdesk.verify(login["challenge"], code=ann.totp(helpdesk.now), trust_device=True)
        claims = await helpdesk.check_assertion(
            verified["assertion"], account_id="ann", challenge_id=login["challenge"]["id"]
        )
        assert dt.timedelta(seconds=claims["exp"] - claims["iat"]) == MINUTE
        assert claims["aud"] == str(world.tenant_id)

        settings = await helpdesk.call(
            "PUT", "/v1/tenant", {"name": "Acme", "return_urls": ["acme-helpdesk://two-factor", "https://acme.example"]}
        )
        assert settings["return_urls"] == ["acme-helpdesk://two-factor", "https://acme.example"]
        body = {"name": "Acme", "return_urls": ["javascript://acme.example/%0aalert(1)"]}
        await helpdesk.refused("PUT", "/v1/tenant", body, "validation_failed")
