"""Rows 1 to 5 and 10 of docs/features.md: who may enrol, and how a factor comes to count."""

import io
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import segno

from tests.support.backend import (
    MINUTE,
    SECOND,
    STEP,
    add_app,
    add_channel,
    app_of,
    challenge_of,
    confirm,
    confirming,
    instant,
    path_of,
    proof_of,
    put,
    start,
    status,
    to_the_start_of_a_step,
    verifying,
)
from tests.support.oathtool import totp
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

ROLES = ("customer", "collaborator", "agent", "admin")


async def test_row_01_the_same_steps_for_every_role(stack: Stack) -> None:
    """A customer is worth protecting, too: nothing may depend on what somebody is at the helpdesk."""
    async with open_world(stack) as world:
        seen = []
        for role in ROLES:
            person = await put(world.helpdesk, role, role)
            app, confirmed = await add_app(world.helpdesk, role)
            assert (await status(world.helpdesk, role))["role"] == role
            await world.helpdesk.move_clock(STEP)
            login = await world.helpdesk.login(role)
            verified = await world.helpdesk.verify(login["challenge"], code=app.totp(world.helpdesk.now))
            await world.helpdesk.check_assertion(
                verified["assertion"], account_id=person.account_id, challenge_id=login["challenge"]["id"]
            )
            seen.append((sorted(confirmed), login["decision"], login["reason"], sorted(verified), verified["method"]))
        assert seen == seen[:1] * len(ROLES)


async def test_row_02_a_person_enrols_without_an_admin_by_the_methods_of_the_policy(stack: Stack) -> None:
    """A security page shows what is allowed, and what is not cannot be had around it either."""
    async with open_world(stack) as world:
        await put(world.helpdesk, "ann", phone="+447700900123")
        await world.helpdesk.call("PUT", "/v1/policy", {"methods": ["totp", "email"]})
        assert (await world.helpdesk.call("GET", "/v1/policy"))["policy"]["methods"] == ["totp", "email"]
        factors = path_of("ann", "factors")
        await world.helpdesk.refused("POST", factors, {"type": "sms"}, "method_not_allowed")
        await add_channel(world.helpdesk, "ann", "email")
        listed = (await world.helpdesk.call("GET", factors))["data"]
        assert [(factor["type"], factor["state"]) for factor in listed] == [("email", "active")]


async def test_row_03_an_authenticator_has_a_window_of_one_step_and_no_step_is_accepted_again(stack: Stack) -> None:
    """The figures that authenticators and we must agree on, tried with one that shares no line with us."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        started = await start(helpdesk, "ann")
        seed = started["totp"]["seed"]
        assert re.fullmatch(r"[A-Z2-7]{32}", seed), "160 bits in base32"
        await confirm(helpdesk, "ann", started, totp(seed, at=helpdesk.now))
        await helpdesk.move_clock(10 * STEP)
        await to_the_start_of_a_step(helpdesk)
        now = helpdesk.now

        far = await challenge_of(helpdesk, "ann")
        for step in (-2 * STEP, 2 * STEP):
            status_code, document, _ = await helpdesk.ask("POST", verifying(far), {"code": totp(seed, at=now + step)})
            assert (status_code, document["code"] in ("clock_off", "code_wrong")) == (422, True)
        assert (await helpdesk.verify(far, code=totp(seed, at=now - STEP)))["method"] == "totp"
        again = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(again), {"code": totp(seed, at=now - STEP)}, "code_already_used")
        await helpdesk.verify(again, code=totp(seed, at=now + STEP))
        overtaken = await challenge_of(helpdesk, "ann")
        for step in (0 * STEP, STEP):
            code = totp(seed, at=now + step)
            await helpdesk.refused("POST", verifying(overtaken), {"code": code}, "code_already_used")


async def test_row_04_the_key_comes_as_an_otpauth_uri_a_qr_code_and_groups_to_type(stack: Stack) -> None:
    """Who cannot scan types; both must lead to the same authenticator."""
    async with open_world(stack, name="Acme: Helpdesk") as world:
        await put(world.helpdesk, "ann")
        shown = (await start(world.helpdesk, "ann"))["totp"]
        uri = urlsplit(shown["uri"])
        assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
        assert unquote(uri.path) == "/Acme  Helpdesk:ann"
        query = {name: value for name, [value] in parse_qs(uri.query).items()}
        assert (query["secret"], query["issuer"]) == (shown["seed"], "Acme  Helpdesk")
        assert query.get("algorithm", "SHA1") == "SHA1"
        assert (query.get("digits", "6"), query.get("period", "30")) == ("6", "30")
        svg = io.BytesIO()
        segno.make(shown["uri"], error="m").save(svg, kind="svg", xmldecl=False, scale=4, border=4)
        assert shown["qr_svg"] == svg.getvalue().decode().strip()
        assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", shown["seed_grouped"])
        assert shown["seed_grouped"].replace(" ", "") == shown["seed"]


async def test_row_05_a_factor_counts_from_its_first_code_and_a_pending_one_ends_after_15_minutes(stack: Stack) -> None:
    """Who scans a code and walks away is neither protected nor locked out; the old authenticator goes on."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        started = await start(helpdesk, "ann")
        assert started["factor"]["state"] == "pending"
        assert instant(started["factor"]["expires_at"]) - instant(started["factor"]["created_at"]) == 15 * MINUTE
        assert (await helpdesk.login("ann"))["decision"] == "allow"
        old = app_of("ann", started)
        confirmed = await confirm(helpdesk, "ann", started, old.totp(helpdesk.now))
        assert confirmed["factor"]["state"] == "active"

        abandoned = await start(helpdesk, "ann", proof=await proof_of(helpdesk, old), replaces=started["factor"]["id"])
        new = app_of("ann", abandoned)
        await helpdesk.move_clock(STEP)
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(challenge), {"code": new.totp(helpdesk.now)}, "code_wrong")
        await helpdesk.verify(challenge, code=old.totp(helpdesk.now))

        await helpdesk.move_clock(instant(abandoned["factor"]["expires_at"]) - helpdesk.now + SECOND)
        status_code, document, _ = await helpdesk.ask(
            "POST", confirming("ann", abandoned), {"code": new.totp(helpdesk.now)}
        )
        assert (status_code, document["code"] in ("factor_not_pending", "challenge_expired")) == (409, True)
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), code=old.totp(helpdesk.now))


async def test_row_10_ten_factors_each_with_its_name_and_its_own_end(stack: Stack) -> None:
    """A phone, a tablet, a colleague's drawer: one is lost, nine go on."""
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, path_of("ann", "factors")
        await put(helpdesk, "ann")
        first, _ = await add_app(helpdesk, "ann", name="Phone 1")
        proof = await proof_of(helpdesk, first)
        others = [await add_app(helpdesk, "ann", name=f"Phone {number}", proof=proof) for number in range(2, 11)]
        apps = [first, *(app for app, _ in others)]
        await helpdesk.refused("POST", factors, {"type": "totp", "proof": proof}, "too_many_factors")
        listed = {factor["name"]: factor["id"] for factor in (await helpdesk.call("GET", factors))["data"]}
        assert listed.keys() == {f"Phone {number}" for number in range(1, 11)}

        lost = listed["Phone 5"]
        assert (await helpdesk.call("PATCH", f"{factors}/{lost}", {"name": "Lost"}))["name"] == "Lost"
        await helpdesk.call("DELETE", f"{factors}/{lost}?proof={proof}")
        await helpdesk.move_clock(STEP)
        challenge = await challenge_of(helpdesk, "ann")
        assert {each["factor_id"] for each in challenge["factors"]} == set(listed.values()) - {lost}
        await helpdesk.refused("POST", verifying(challenge), {"code": apps[4].totp(helpdesk.now)}, "code_wrong")
        await helpdesk.verify(challenge, code=apps[9].totp(helpdesk.now), factor_id=listed["Phone 10"])
