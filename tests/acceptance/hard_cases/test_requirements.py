"""Hard cases of a requirement: switched off, met in its last second, and kept when a factor goes."""

import asyncio
import datetime as dt

import pytest

from tests.support.eventually import eventually
from tests.support.owner import DAY, HOUR, SETTLED, Owner, instant
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

EVERYBODY = {"required": {"scope": "all"}, "grace_days": 7}
NOBODY = {"required": {"scope": "nobody"}}
SECOND = dt.timedelta(seconds=1)


async def test_a_policy_that_is_switched_off_ends_grace_and_nothing_else(stack: Stack) -> None:
    """No reminder and no lock comes of it any more; factors guard, and a recovery goes on."""
    async with open_world(stack) as world:
        helpdesk, ann, ben = world.helpdesk, Owner(world.helpdesk), Owner(world.helpdesk, "ben")
        await ann.put()
        await ann.enrol()
        await helpdesk.move_clock(SETTLED)
        await ben.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await ben.notice("enforcement_started")  # by mail alone, where there is a mailbox
        assert await ben.decision() == "enrol_optional"
        waiting = await ann.lose_device()
        await helpdesk.call("PUT", "/v1/policy", NOBODY)
        assert (await ben.decision(), await ben.enforcement()) == ("allow", "not_required")
        assert await ann.decision() == "challenge"
        assert await ann.recovery() == waiting
        told = await ben.messages()
        assert (await ann.wait_out_recovery())["state"] == "executed"
        await helpdesk.move_clock(9 * DAY)
        assert await ben.decision() == "allow"
        happened = {each["type"] for each in await ben.timeline()}
        assert not happened & {"enforcement.reminded", "enforcement.locked_out"}
        assert await ben.messages() == told


async def test_off_and_on_within_a_month_renews_no_grace(stack: Stack) -> None:
    """Else a helpdesk that is asked nicely starts everybody's seven days anew, for ever."""
    async with open_world(stack) as world:
        helpdesk, ben = world.helpdesk, Owner(world.helpdesk, "ben")
        await ben.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        deadline = (await ben.status())["enforcement"]["deadline"]
        await helpdesk.move_clock(3 * DAY)
        await helpdesk.call("PUT", "/v1/policy", NOBODY)
        await helpdesk.move_clock(2 * DAY)
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        assert (await ben.status())["enforcement"]["deadline"] == deadline


async def test_an_enrolment_confirmed_at_the_deadlines_own_second_satisfies(stack: Stack) -> None:
    """The lock is decided by the factors that are there: nobody is locked out who has one, whichever came first."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        people = [Owner(helpdesk, name) for name in ("ann", "ben", "cleo", "dan")]
        for each in people:
            await each.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        deadline = max([instant((await each.status())["enforcement"]["deadline"]) for each in people])
        await helpdesk.move_clock(deadline - helpdesk.now - 10 * SECOND)
        begun = [await each.begin() for each in people]
        await asyncio.gather(
            helpdesk.move_clock(10 * SECOND),
            *(each.confirm(factor_id) for each, factor_id in zip(people, begun, strict=True)),
        )
        await helpdesk.move_clock(10 * SECOND)
        for each in people:
            assert (await each.enforcement(), await each.decision()) == ("satisfied", "challenge")


async def test_a_lock_announced_under_an_enrolment_ends_with_its_confirmation(stack: Stack) -> None:
    """Who began in time and typed the code a minute late is not told to ask an admin."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        left = instant((await ann.status())["enforcement"]["deadline"]) - helpdesk.now
        await helpdesk.move_clock(left - 60 * SECOND)
        begun = await ann.begin()
        await helpdesk.move_clock(120 * SECOND)
        await ann.notice("locked_out")
        assert await ann.decision() == "locked_out"
        await ann.confirm(begun)
        assert (await ann.enforcement(), await ann.decision()) == ("satisfied", "challenge")


async def test_who_leaves_sso_gets_a_grace_period_from_then(stack: Stack) -> None:
    """Not from a requirement that was months old and never theirs: that would be a lock without a warning."""
    async with open_world(stack) as world:
        helpdesk, ben = world.helpdesk, Owner(world.helpdesk, "ben")
        await ben.put(sso=True)
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await helpdesk.move_clock(60 * DAY)
        assert await ben.enforcement() == "not_required"
        await ben.change(sso=False)
        stands = (await ben.status())["enforcement"]
        assert stands["state"] == "grace"
        assert 7 * DAY - HOUR < instant(stands["deadline"]) - helpdesk.now <= 7 * DAY


async def test_who_is_active_again_after_the_deadline_has_a_day(stack: Stack) -> None:
    """The login is decided by the same word as the notice: who was away while the deadline passed is warned first."""
    async with open_world(stack) as world:
        helpdesk, ben = world.helpdesk, Owner(world.helpdesk, "ben")
        await ben.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await ben.notice("enforcement_started")
        told = await ben.messages()
        await ben.change(active=False)
        await helpdesk.move_clock(20 * DAY)
        assert await ben.decision() == "deny"
        await ben.change(active=True)
        await ben.notice("enforcement_started", but=told)
        assert (await ben.enforcement(), await ben.decision()) == ("grace", "enrol_optional")
        await helpdesk.move_clock(DAY)
        assert (await ben.enforcement(), await ben.decision()) == ("locked_out", "locked_out")


async def test_of_two_authenticators_one_may_go(stack: Stack) -> None:
    """The other one and the codes still guard; what a browser was trusted for is asked for again."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        first = await ann.enrol()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        second = await ann.enrol(proof=await ann.proof())
        token = (await ann.sign_in(first, trust_device=True))["trusted_device"]["token"]
        trusted = {"trusted_device_token": token}
        assert (await helpdesk.login("ann", **trusted))["decision"] == "allow"
        await helpdesk.call("DELETE", f"{ann.path}/factors/{first}?proof={await ann.proof()}")
        assert (await helpdesk.login("ann", **trusted))["decision"] == "challenge"
        await ann.sign_in(second)
        await helpdesk.verify(await ann.challenge(), backup_code=ann.backup_codes.pop())
        assert await ann.enforcement() == "satisfied"


async def test_the_last_factor_of_a_required_account_is_replaced_and_not_removed(stack: Stack) -> None:
    """There is no moment without one: the old one goes in the commit in which the new one is proved."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        old = await ann.enrol()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        proof = await ann.proof()
        await helpdesk.refused("DELETE", f"{ann.path}/factors/{old}?proof={proof}", None, "last_factor_required")
        new = await ann.begin(proof=proof, replaces=old)
        await ann.sign_in(old)
        await ann.confirm(new)
        held = (await helpdesk.call("GET", f"{ann.path}/factors"))["data"]
        assert [(each["id"], each["state"]) for each in held] == [(new, "active")]
        challenge = await ann.challenge()
        await helpdesk.move_clock(60 * SECOND)
        stale = {"code": ann.code(old)}
        await helpdesk.refused("POST", f"/v1/challenges/{challenge['id']}/verify", stale, "code_wrong")
        await ann.sign_in(new)


async def test_a_reminder_that_was_put_off_looks_again_before_it_speaks(stack: Stack) -> None:
    """Who enrols between two reminders hears no more of them, whatever was armed before."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        await helpdesk.call("PUT", "/v1/policy", EVERYBODY)
        await eventually(ann.timeline, lambda seen: "enforcement.started" in {each["type"] for each in seen})
        await helpdesk.move_clock(4 * DAY + HOUR)
        await ann.notice("enforcement_reminder")
        await ann.enrol()
        await eventually(ann.timeline, lambda seen: "enforcement.satisfied" in {each["type"] for each in seen})
        await helpdesk.move_clock(4 * DAY)
        reminders = [each for each in await ann.messages() if each["notification"] == "enforcement_reminder"]
        assert len(reminders) <= 2  # by mail, and where the account has a number by SMS
        assert await ann.decision() == "challenge"


async def test_an_admin_may_take_the_last_factor_and_the_next_login_enrols(stack: Stack) -> None:
    """The account may not leave itself without one; an admin may, and no new grace period begins."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await Owner(helpdesk, "root").put(role="admin")
        await ann.put()
        await ann.enrol()
        await helpdesk.call("PUT", "/v1/policy", {**EVERYBODY, "force": True})
        await helpdesk.call("POST", f"{ann.path}/reset", {"reason": "New phone", "actor": "root"})
        assert (await ann.decision(), await ann.enforcement()) == ("enrol", "must_enrol")
        await ann.notice("account_reset")


async def test_coming_under_sso_ends_open_challenges(stack: Stack) -> None:
    """A code that was on its way opens nothing any more: the identity provider decides from now on."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        app = await ann.enrol()
        await helpdesk.move_clock(60 * SECOND)
        challenge = await ann.challenge()
        path = f"/v1/challenges/{challenge['id']}"
        await ann.change(sso=True)
        await eventually(lambda: helpdesk.call("GET", path), lambda seen: bool(seen["state"] == "cancelled"))
        await helpdesk.refused("POST", f"{path}/verify", {"code": ann.code(app)}, "challenge_not_open")
