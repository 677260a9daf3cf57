"""Rows 24, 25, 26 and 30 of docs/features.md: the time to enrol, its reminders, its end, and the way out."""

import datetime as dt

import pytest

from services.cli.demo.helpdesk import Helpdesk
from tests.support.backend import (
    DAY,
    HOUR,
    MINUTE,
    OLD_ADDRESS,
    SECOND,
    add_app,
    app_of,
    challenge_of,
    code_of,
    codes,
    confirm,
    happened,
    instant,
    messages,
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

FACTORS = path_of("ann", "factors")


async def to(helpdesk: Helpdesk, at: dt.datetime) -> None:
    """Move the clock to an instant."""
    await helpdesk.move_clock(at - helpdesk.now)


async def decision(helpdesk: Helpdesk, account_id: str = "ann") -> str:
    """What the helpdesk shall do with a login."""
    return str((await helpdesk.login(account_id))["decision"])


async def test_row_24_seven_days_to_enrol_then_locked_out_by_a_timer(stack: Stack) -> None:
    """Seven days from the requirement's start, or from the day on which somebody joined; then nobody need log in for
    the lock to be there.
    """
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        began = helpdesk.now
        await require(helpdesk)
        login = await helpdesk.login("ann")
        deadline = instant(login["deadline"])
        assert login["decision"] == "enrol_optional"
        assert abs(deadline - began - 7 * DAY) < MINUTE
        await helpdesk.move_clock(3 * DAY)
        await put(helpdesk, "ben")
        later = instant((await helpdesk.login("ben"))["deadline"])
        assert abs(later - deadline - 3 * DAY) < MINUTE

        await to(helpdesk, deadline - 20 * SECOND)
        assert await decision(helpdesk) == "enrol_optional"
        await to(helpdesk, deadline + SECOND)
        await happened(helpdesk, "ann", "enforcement.locked_out")
        await happened(helpdesk, "ann", "sessions.should_end")
        assert (await helpdesk.call("GET", path_of("ann", "gate")))["allowed"] is False
        await told(helpdesk, "ann", "locked_out")
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "locked_out"
        assert [await decision(helpdesk), await decision(helpdesk, "ben")] == ["locked_out", "enrol_optional"]

        await require(helpdesk, grace_days=14)
        assert instant((await helpdesk.login("ann"))["deadline"]) == deadline + 7 * DAY


async def test_row_25_until_a_date_enrolling_can_be_skipped_and_after_it_cannot(stack: Stack) -> None:
    """A date for all, and no lockout behind it: the login itself becomes the enrolment."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        until = (helpdesk.now + 20 * DAY).replace(microsecond=0)
        await require(helpdesk, grace_days=None, grace_until=until.isoformat())
        login = await helpdesk.login("ann")
        assert (login["decision"], instant(login["deadline"])) == ("enrol_optional", until)
        await to(helpdesk, until - 20 * SECOND)
        assert await decision(helpdesk) == "enrol_optional"
        await to(helpdesk, until + SECOND)
        assert await decision(helpdesk) == "enrol"
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "must_enrol"


async def test_row_26_locked_out_means_no_login_until_an_admin_unlocks(stack: Stack) -> None:
    """Whoever holds the password alone may not enrol a phone of their own either; an admin gives some hours."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann", phone="+447700900123")
        await require(helpdesk, required={"scope": "roles", "roles": ["agent"]})
        await put(helpdesk, "cleo", "customer")
        unlock = {"actor": "root", "reason": "Back from leave", "hours": 24}
        await helpdesk.refused("POST", path_of("cleo", "unlock"), unlock, "not_locked_out")
        await helpdesk.move_clock(7 * DAY + SECOND)
        login = await helpdesk.login("ann")
        assert (login["decision"], login.get("challenge")) == ("locked_out", None)
        await helpdesk.refused("POST", FACTORS, {"type": "totp"}, "proof_required")

        await helpdesk.call("POST", path_of("ann", "unlock"), unlock)
        login = await helpdesk.login("ann")
        assert login["decision"] == "enrol_optional"
        assert abs(instant(login["deadline"]) - helpdesk.now - 24 * HOUR) < MINUTE
        [entry] = await happened(helpdesk, "ann", "enforcement.unlocked")
        assert "root" in str(entry["actor"])
        notices = await told(helpdesk, "ann", "unlocked", times=2)
        assert {each["channel"] for each in notices} == {"email", "sms"}
        await helpdesk.move_clock(24 * HOUR + SECOND)
        assert await decision(helpdesk) == "locked_out"
        until = (helpdesk.now + 3 * DAY).replace(microsecond=0)
        extend = {"actor": "root", "reason": "On leave again", "extended_until": until.isoformat()}
        await helpdesk.call("PUT", path_of("ann", "enforcement"), extend)
        login = await helpdesk.login("ann")
        assert (login["decision"], instant(login["deadline"])) == ("enrol_optional", until)


async def test_row_26_the_tenant_may_let_a_mailed_code_open_the_enrolment_alone(stack: Stack) -> None:
    """A way out without an admin, for whom has the mailbox as well as the password."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await require(helpdesk, enrol_when_locked_out=True)
        await helpdesk.move_clock(OLD_ADDRESS)
        login = await helpdesk.login("ann")
        assert login["decision"] == "locked_out"
        challenge = login["challenge"]
        await helpdesk.refused("POST", FACTORS, {"type": "totp", "proof": challenge["id"]}, "proof_required")
        before = len(await codes(helpdesk, "ann"))
        await helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/send", {}, expect=202)
        proved = await helpdesk.verify(challenge, code=await code_of(helpdesk, "ann", after=before))
        assert not proved.get("assertion")
        started = await start(helpdesk, "ann", proof=challenge["id"])
        app = app_of("ann", started)
        confirmed = await confirm(helpdesk, "ann", started, app.totp(helpdesk.now))
        await helpdesk.check_assertion(confirmed["assertion"], account_id="ann", challenge_id=challenge["id"])
        await challenge_of(helpdesk, "ann")


async def test_row_30_people_are_told_at_the_start_and_7_3_1_days_and_1_hour_before(stack: Stack) -> None:
    """Nobody is surprised on a Monday, and nobody who has a factor is bothered."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await put(helpdesk, "ben")
        await add_app(helpdesk, "ben")
        await told(helpdesk, "ben", "factor_added")
        await require(helpdesk, grace_days=20)
        await told(helpdesk, "ann", "enforcement_started")
        deadline = instant((await helpdesk.login("ann"))["deadline"])
        for number, before in enumerate((7 * DAY, 3 * DAY, DAY, HOUR), start=1):
            await to(helpdesk, deadline - before - MINUTE)
            assert len(await told(helpdesk, "ann", "enforcement_reminder", times=number - 1)) == number - 1
            await to(helpdesk, deadline - before + SECOND)
            await told(helpdesk, "ann", "enforcement_reminder", times=number)
        await to(helpdesk, deadline + SECOND)
        await told(helpdesk, "ann", "locked_out")
        assert len(await told(helpdesk, "ann", "enforcement_started")) == 1
        assert {each["notification"] for each in await messages(helpdesk, "ben")} == {"factor_added"}


async def test_row_30_with_seven_days_of_grace_the_first_reminder_comes_at_three(stack: Stack) -> None:
    """The notice of the start has just said "seven days"."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await require(helpdesk)
        await told(helpdesk, "ann", "enforcement_started")
        deadline = instant((await helpdesk.login("ann"))["deadline"])
        await to(helpdesk, deadline - 3 * DAY - MINUTE)
        assert await told(helpdesk, "ann", "enforcement_reminder", times=0) == []
        await to(helpdesk, deadline - 3 * DAY + SECOND)
        await told(helpdesk, "ann", "enforcement_reminder")
        started = await start(helpdesk, "ann")
        await confirm(helpdesk, "ann", started, app_of("ann", started).totp(helpdesk.now))
        await happened(helpdesk, "ann", "enforcement.satisfied")
        await to(helpdesk, deadline + SECOND)
        assert len(await told(helpdesk, "ann", "enforcement_reminder")) == 1
        await challenge_of(helpdesk, "ann")
