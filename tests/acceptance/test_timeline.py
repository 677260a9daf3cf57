"""Why was this account locked on Tuesday? What an admin reads who was not there."""

import pytest

from services.gateway.api.event_words import actor
from services.gateway.api.event_words import instant as said
from tests.support.backend import DAY, HOUR, SECOND, happened, instant, path_of, put, require
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance


async def test_the_timeline_says_why_an_account_was_locked_and_who_let_it_in(stack: Stack) -> None:
    """Required since then, reminded three times, locked at the deadline: each in words, with its instants."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann")
        await require(helpdesk, required={"scope": "roles", "roles": ["agent"]})
        [started] = await happened(helpdesk, "ann", "enforcement.started")
        await happened(helpdesk, "ann", "notification.sent")
        deadline = instant((await helpdesk.login("ann"))["deadline"])
        for number, at in enumerate((deadline - 3 * DAY, deadline - DAY, deadline - HOUR), start=1):
            await helpdesk.move_clock(at - helpdesk.now + SECOND)
            await happened(helpdesk, "ann", "enforcement.reminded", times=number)
            await happened(helpdesk, "ann", "notification.sent", times=number + 1)
        await helpdesk.move_clock(deadline - helpdesk.now + SECOND)
        await happened(helpdesk, "ann", "enforcement.locked_out")
        unlock = {"actor": "root", "reason": "Back from leave", "hours": 24}
        await helpdesk.call("POST", path_of("ann", "unlock"), unlock)
        await happened(helpdesk, "ann", "enforcement.unlocked")

        read = (await helpdesk.call("GET", path_of("ann", "timeline?limit=100")))["data"]
        told = [each for each in reversed(read) if each["type"].startswith("enforcement.")]
        why = (
            f" It is required of every agent since {said(started['data']['since'])}, by version 1 of the policy, which "
            f"{actor(started['data']['policy_saved_by'])} saved on {said(started['data']['policy_saved_at'])}."
        )
        assert started["data"]["policy_saved_by"].startswith("api_key:")
        locked = told[4]
        reached = "; ".join(f"{each['destination']}, {said(each['at'])}" for each in locked["told"])
        heard = f" Told before: {reached}."
        assert [each["summary"] for each in told] == [
            f"A second factor is required; there is time until {said(deadline)}.{why}",
            f"A reminder was given, 3 days before the deadline, {said(deadline)}.",
            f"A reminder was given, 1 day before the deadline, {said(deadline)}.",
            f"A reminder was given, 1 hour before the deadline, {said(deadline)}.",
            f"The account was locked out: there was no second factor at the deadline, {said(deadline)}.{why}{heard}",
            "The account was unlocked: Back from leave.",
        ]
        assert [each["notification"] for each in locked["told"]] == [
            "enforcement_started",
            *["enforcement_reminder"] * 3,
        ]
        assert all("•" in each["destination"] for each in locked["told"])
        assert [instant(each["data"]["deadline"]) for each in told[:5]] == [deadline] * 5
        assert deadline <= instant(told[4]["at"]) <= helpdesk.now
        assert [instant(each["at"]) for each in told] == sorted(instant(each["at"]) for each in told)
        assert (told[4]["actor"], told[5]["actor"]) == ("system", "admin:root")
