"""Rows 21 to 23 of docs/features.md: what is allowed, who must, and what the next login is answered."""

import pytest

from services.cli.demo.helpdesk import Helpdesk
from tests.support.backend import (
    DAY,
    MINUTE,
    STEP,
    add_app,
    app_of,
    challenge_of,
    happened,
    instant,
    path_of,
    put,
    require,
    start,
    status,
    told,
)
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

ROLES = ("customer", "collaborator", "agent", "admin")


async def states(helpdesk: Helpdesk) -> dict[str, str]:
    """How each account stands with the policy."""
    listed = (await helpdesk.call("GET", "/v1/accounts"))["data"]
    return {account["account_id"]: account["enforcement"]["state"] for account in listed}


async def test_row_21_a_method_is_on_or_off_and_on_does_not_mean_mandatory(stack: Stack) -> None:
    """A tenant that offers authenticators has not yet asked anybody to have one."""
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, path_of("ann", "factors")
        await put(helpdesk, "ann", phone="+447700900123")
        for method in ("totp", "sms", "email"):
            await helpdesk.call("PUT", "/v1/policy", {"methods": [method]})
            assert (await helpdesk.login("ann"))["decision"] == "allow"
            for other in {"totp", "sms", "email"} - {method}:
                await helpdesk.refused("POST", factors, {"type": other}, "method_not_allowed")
            assert (await start(helpdesk, "ann", method))["factor"]["type"] == method
        await helpdesk.call("PUT", "/v1/policy", {})
        ann, _ = await add_app(helpdesk, "ann")
        await helpdesk.call("PUT", "/v1/policy", {"methods": ["email"]})
        await helpdesk.move_clock(STEP)
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.verify(challenge, code=ann.totp(helpdesk.now))


async def test_row_22_everybody_or_a_role_must_have_a_second_factor(stack: Stack) -> None:
    """Agents first, customers never, or all of them: the policy says whom it means."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        for role in ROLES:
            await put(helpdesk, role, role)
        assert set((await states(helpdesk)).values()) == {"not_required"}
        await require(helpdesk, required={"scope": "roles", "roles": ["agent", "admin"]})
        assert await states(helpdesk) == {
            "customer": "not_required", "collaborator": "not_required", "agent": "grace", "admin": "grace",
        }  # fmt: skip
        await require(helpdesk)
        assert set((await states(helpdesk)).values()) == {"grace"}
        await add_app(helpdesk, "agent")
        assert (await status(helpdesk, "agent"))["enforcement"]["state"] == "satisfied"
        await require(helpdesk, required={"scope": "nobody"})
        assert set((await states(helpdesk)).values()) == {"not_required"}


async def test_row_22_one_account_is_required_or_exempt_by_an_admin(stack: Stack) -> None:
    """Whom the policy does not mean, or who cannot just now: an admin's word, with a reason, until it is taken back."""
    async with open_world(stack) as world:
        helpdesk, path = world.helpdesk, path_of("ann", "enforcement")
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann")
        by_root = {"actor": "root", "reason": "Sees the payroll"}
        await helpdesk.call("PUT", path, {"required": True, **by_root})
        assert (await helpdesk.login("ann"))["decision"] == "enrol_optional"
        assert await told(helpdesk, "ann", "enforcement_changed")
        [entry] = await happened(helpdesk, "ann", "enforcement.changed")
        assert (entry["actor"], entry["data"]["reason"]) == ("admin:root", "Sees the payroll")

        until = helpdesk.now + 30 * DAY
        await helpdesk.call("PUT", path, {"exempt_until": until.isoformat(), **by_root})
        await helpdesk.move_clock(20 * DAY)
        assert (await helpdesk.login("ann"))["decision"] == "allow"
        await helpdesk.move_clock(10 * DAY + MINUTE)
        login = await helpdesk.login("ann")
        assert (login["decision"], instant(login["deadline"])) == ("enrol_optional", until + DAY)
        assert await told(helpdesk, "ann", "enforcement_started")
        await helpdesk.move_clock(DAY)
        assert (await helpdesk.login("ann"))["decision"] == "locked_out"
        await helpdesk.call("DELETE", f"{path}?actor=root&reason=Moved")
        assert (await helpdesk.login("ann"))["decision"] == "allow"


async def test_row_22_the_last_admins_are_not_locked_out_by_mistake(stack: Stack) -> None:
    """The policy that nobody could take back is refused, unless it is meant."""
    async with open_world(stack) as world:
        helpdesk, policy = world.helpdesk, {"required": {"scope": "all"}, "grace_days": 7}
        await put(helpdesk, "root", "admin")
        await helpdesk.refused("PUT", "/v1/policy", policy, "would_lock_out_admins")
        await add_app(helpdesk, "root")
        await helpdesk.call("PUT", "/v1/policy", policy)


async def test_row_23_without_grace_the_next_login_enrols_and_the_enrolment_is_its_proof(stack: Stack) -> None:
    """Whoever has just set the authenticator up is in: a second code right afterwards would prove nothing more."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await require(helpdesk, grace_days=None)
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "must_enrol"
        login = await helpdesk.login("ann")
        assert (login["decision"], login["reason"]) == ("enrol", "must_enrol")
        challenge = login["challenge"]
        assert challenge["purpose"] == "enrolment"
        started = await start(helpdesk, "ann", proof=challenge["id"])
        app = app_of("ann", started)
        path = path_of("ann", "factors", started["factor"]["id"], "confirm")
        confirmed = await helpdesk.call("POST", path, {"code": app.totp(helpdesk.now)})
        await helpdesk.check_assertion(confirmed["assertion"], account_id="ann", challenge_id=challenge["id"])
        assert len(confirmed["backup_codes"]) == 10
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "satisfied"
        await challenge_of(helpdesk, "ann")
