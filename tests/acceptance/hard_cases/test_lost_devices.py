"""Hard cases of a lost device: what else happens while a recovery waits, and who may ask for one at all."""

import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.owner import DAY, HOUR, SETTLED, Owner, instant
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

EVERYBODY = {"required": {"scope": "all"}, "grace_days": 7}


async def enrolled_long_ago(ann: Owner) -> str:
    """Ann with an authenticator, her address old enough to serve a recovery; the factor's id."""
    await ann.put()
    factor_id = await ann.enrol()
    await ann.helpdesk.move_clock(SETTLED)
    return factor_id


async def test_a_second_factor_succeeds_while_a_recovery_waits(stack: Stack) -> None:
    """Who can sign in has lost nothing: somebody else asked. It stops, and everybody hears that."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        factor_id = await enrolled_long_ago(ann)
        await ann.lose_device()
        await ann.sign_in(factor_id)
        ended = await ann.recovery_in("cancelled")
        assert ended["end_reason"] == "signed_in"
        for channel in ("email", "sms"):
            await ann.notice("recovery_cancelled", channel=channel)
        await ann.helpdesk.move_clock(3 * DAY)
        assert (await ann.decision(), (await ann.recovery())["state"]) == ("challenge", "cancelled")


async def test_a_trusted_device_says_nothing_against_a_recovery(stack: Stack) -> None:
    """It may be what was stolen; only a real factor shows that its owner still has one."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        factor_id = await enrolled_long_ago(ann)
        passed = await ann.sign_in(factor_id, trust_device=True)
        await ann.lose_device()
        login = await world.helpdesk.login("ann", trusted_device_token=passed["trusted_device"]["token"])
        assert (login["decision"], login["reason"]) == ("allow", "trusted_device")
        assert (await ann.wait_out_recovery())["state"] == "executed"


async def test_a_changed_address_makes_a_waiting_recovery_wait_a_week(stack: Stack) -> None:
    """A thief who has the helpdesk's session changes the address first: old and new hear of the new hour."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        waiting = await ann.lose_device()
        before = await ann.messages()
        await ann.change(email="new@acme.example", email_verified=True)
        later = await eventually(ann.recovery, lambda seen: bool(seen["ready_at"] != waiting["ready_at"]))
        assert 7 * DAY - HOUR < instant(later["ready_at"]) - world.helpdesk.now <= 7 * DAY
        wanted = {
            (told, to) for told in ("address_changed", "recovery_waiting") for to in (ann.email, "new@acme.example")
        }
        old = {each["id"] for each in before}

        async def told() -> set[tuple[str, str]]:
            return {(each["notification"], each["to"]) for each in await ann.messages() if each["id"] not in old}

        await eventually(told, lambda seen: wanted <= seen)
        await world.helpdesk.move_clock(2 * DAY)
        assert (await ann.recovery())["state"] == "waiting"
        assert await ann.decision() == "challenge"


async def test_a_password_reset_makes_a_waiting_recovery_wait_three_days(stack: Stack) -> None:
    """Who has just reset the password from the mailbox has shown one thing twice."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        waiting = await ann.lose_device()
        await ann.tell("password_changed", changed_at=world.helpdesk.now.isoformat())
        later = await eventually(ann.recovery, lambda seen: bool(seen["ready_at"] != waiting["ready_at"]))
        assert 3 * DAY - HOUR < instant(later["ready_at"]) - world.helpdesk.now <= 3 * DAY
        await world.helpdesk.move_clock(2 * DAY)
        assert (await ann.recovery())["state"] == "waiting"
        assert (await ann.wait_out_recovery())["state"] == "executed"


async def test_a_throttled_account_recovers_and_its_counters_are_cleared(stack: Stack) -> None:
    """Else whoever guesses keeps the owner from recovering, who then would begin with a stranger's guesses."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        challenge = await ann.challenge()
        for code in ann.wrong_codes(5):
            await world.helpdesk.refused(
                "POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code}, "code_wrong"
            )
        assert (await ann.status())["throttled_until"] is not None
        await ann.lose_device()
        assert (await ann.wait_out_recovery())["state"] == "executed"
        assert (await ann.status())["throttled_until"] is None
        assert await ann.decision() == "allow"


async def test_who_is_locked_out_without_a_factor_cannot_recover_one(stack: Stack) -> None:
    """There is nothing to recover: the way in is an enrolment, which proves more."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await ann.put()
        await world.helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await world.helpdesk.move_clock(SETTLED)
        assert await ann.decision() == "locked_out"
        await world.helpdesk.refused("POST", f"{ann.path}/recovery", {}, "recovery_not_offered")


async def test_whose_only_factor_is_suspended_recovers_and_then_has_to_enrol(stack: Stack) -> None:
    """Guessing at a factor until it is suspended must neither open the door nor keep its owner out for good."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        await world.helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await _suspend_factors(stack, world.tenant_id)
        assert await ann.decision() == "challenge"
        await ann.lose_device()
        assert (await ann.wait_out_recovery())["state"] == "executed"
        login = await world.helpdesk.login("ann")
        assert login["decision"] == "enrol"
        await world.helpdesk.refused("POST", f"{ann.path}/factors", {"type": "totp"}, "proof_required")
        proved = await _prove_mailbox(ann, login["challenge"])
        await ann.enrol(proof=proved)
        assert await ann.decision() == "challenge"


async def test_coming_under_sso_ends_a_recovery_and_leaves_the_factors(stack: Stack) -> None:
    """The identity provider lets in from now on. Back from it, the factors guard again."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        factor_id = await enrolled_long_ago(ann)
        await ann.lose_device()
        await ann.change(sso=True)
        assert (await ann.recovery_in("cancelled"))["end_reason"] == "sso"
        by_sso = {"account_id": "ann", "first_factor": {"method": "sso", "idp": "corp"}}
        assert (await world.helpdesk.call("POST", "/v1/logins", by_sso))["decision"] == "allow"
        await world.helpdesk.refused("POST", f"{ann.path}/recovery", {}, "recovery_not_offered")
        await ann.change(sso=False)
        await ann.sign_in(factor_id)


async def test_factors_that_nobody_uses_under_sso_end_after_ninety_days(stack: Stack) -> None:
    """A key that nobody looks for any more; back from SSO, the next login enrols where a factor is required."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        await world.helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}, "grace_days": 7})
        await ann.change(sso=True)
        await world.helpdesk.move_clock(89 * DAY)
        assert await ann.decision() == "challenge"
        await world.helpdesk.move_clock(2 * DAY)
        for channel in ("email", "sms"):
            await ann.notice("unused_factors_removed", channel=channel)
        assert (await world.helpdesk.call("GET", f"{ann.path}/factors"))["data"] == []
        await ann.change(sso=False)
        assert (await ann.enforcement(), await ann.decision()) == ("must_enrol", "enrol")


async def test_a_recovery_that_its_owner_stopped_may_be_asked_for_again(stack: Stack) -> None:
    """A mail scanner that presses buttons, too, fails safe: it stops a recovery, and its owner starts another."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        first = await ann.lose_device()
        path = f"{ann.path}/recovery/{first['id']}/cancel"
        assert (await world.helpdesk.call("POST", path, {}))["state"] == "cancelled"
        await ann.notice("recovery_cancelled")
        second = await ann.lose_device()
        assert second["id"] != first["id"]
        assert (await ann.wait_out_recovery())["state"] == "executed"


async def test_an_admins_reset_ends_a_waiting_recovery(stack: Stack) -> None:
    """What it would have taken off is gone; nothing is left for it to do a day later, to factors enrolled meanwhile."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await Owner(helpdesk, "root").put(role="admin")
        await enrolled_long_ago(ann)
        await helpdesk.call("PUT", "/v1/policy", {**EVERYBODY, "force": True})
        await ann.lose_device()
        await helpdesk.call("POST", f"{ann.path}/reset", {"reason": "New phone", "actor": "root"})
        assert (await ann.recovery_in("cancelled"))["end_reason"] == "admin_reset"
        login = await helpdesk.login("ann")
        assert login["decision"] == "enrol"
        app = await ann.enrol(proof=await _prove_mailbox(ann, login["challenge"]))
        await helpdesk.move_clock(2 * DAY)
        assert (await ann.recovery())["state"] == "cancelled"
        await ann.sign_in(app)


async def test_who_recovered_and_is_required_nothing_sets_up_anew_through_the_mailbox(stack: Stack) -> None:
    """Logins are let in without a word, so a step-up offers the way: the password alone binds no stranger's phone."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await enrolled_long_ago(ann)
        await ann.lose_device()
        assert (await ann.wait_out_recovery())["state"] == "executed"
        assert await ann.decision() == "allow"
        await helpdesk.refused("POST", f"{ann.path}/factors", {"type": "totp"}, "proof_required")
        step_up = await helpdesk.login("ann", purpose="step_up")
        assert (step_up["decision"], step_up["reason"]) == ("deny", "no_factor")
        app = await ann.enrol(proof=await _prove_mailbox(ann, step_up["challenge"]))
        await ann.sign_in(app)


async def _suspend_factors(stack: Stack, tenant_id: object) -> None:
    """What a hundred wrong codes within 30 days lead to."""
    conn = await asyncpg.connect(stack.dsn)
    try:
        await conn.execute(
            "UPDATE otp.factors SET state = 'suspended' WHERE tenant_id = $1 AND state = 'active'", tenant_id
        )
    finally:
        await conn.close()


async def _prove_mailbox(ann: Owner, challenge: dict[str, object]) -> str:
    """Answer an enrolment's challenge with the code that is mailed for it."""
    before = await ann.messages()
    await ann.helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/send", {}, expect=202)
    mail = await ann.message(lambda each: bool(each["code"]), but=before)
    await ann.helpdesk.verify(dict(challenge), code=mail["code"])
    return str(challenge["id"])
