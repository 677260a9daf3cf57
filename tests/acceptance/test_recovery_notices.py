"""Who hears of a recovery: everybody who can say no, and where only the proving mailbox is known, the admins."""

import pytest

from tests.support.eventually import eventually
from tests.support.owner import DAY, SETTLED, Owner, instant
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance


async def _asked(ann: Owner) -> tuple[str, str]:
    """The challenge of a recovery and the code that was mailed for it."""
    before = await ann.messages()
    asked = await ann.helpdesk.call("POST", f"{ann.path}/recovery", {}, expect=201)
    mail = await ann.message(lambda each: bool(each["code"]), but=before)
    return str(asked["challenge_id"]), str(mail["code"])


async def test_the_challenge_is_there_when_the_request_has_answered(stack: Stack) -> None:
    """It is made by another service: whoever got its id must not be told that there is no such challenge."""
    async with open_world(stack) as world:
        people = [Owner(world.helpdesk, account_id) for account_id in ("ann", "bob", "cleo", "dan")]
        for person in people:
            await person.put()
            await person.enrol()
        await world.helpdesk.move_clock(SETTLED)
        for person in people:
            asked = await world.helpdesk.call("POST", f"{person.path}/recovery", {}, expect=201)
            challenge = await world.helpdesk.call("GET", f"/v1/challenges/{asked['challenge_id']}")
            assert (challenge["state"], challenge["purpose"]) == ("open", "recovery")


async def test_where_no_mail_gets_through_a_recovery_waits_until_an_admin_can_hear_of_it(stack: Stack) -> None:
    """Ann has nothing but her mailbox: a thief who reads it would be alone with the notices."""
    async with open_world(stack) as world:
        ann, root = Owner(world.helpdesk), Owner(world.helpdesk, "root")
        await ann.put(phone=None)
        await ann.enrol()
        await root.put(role="admin", phone=None)
        await world.helpdesk.move_clock(SETTLED)
        challenge_id, code = await _asked(ann)
        stack.mailbox.refuse_recipients(550)
        try:
            await world.helpdesk.verify({"id": challenge_id}, code=code)
            waiting = await ann.recovery_in("waiting")
            await world.helpdesk.move_clock(DAY)
            later = await eventually(ann.recovery, lambda seen: bool(seen["ready_at"] != waiting["ready_at"]))
        finally:
            stack.mailbox.refuse_recipients(None)
        assert instant(later["ready_at"]) - instant(waiting["ready_at"]) >= DAY
        assert await ann.decision() == "challenge"
        assert (await ann.wait_out_recovery())["state"] == "executed"
        told = await root.notice("recovery_for_admins")
        assert "account ann " in told["text"]
        assert "/recovery/cancel" not in told["text"]
        assert waiting["id"] in told["text"]


async def test_an_admin_refuses_what_only_admins_heard_of(stack: Stack) -> None:
    """The mail holds no link that acts: the number in it is what they refuse, signed in at the helpdesk."""
    async with open_world(stack) as world:
        ann, root = Owner(world.helpdesk), Owner(world.helpdesk, "root")
        await ann.put(phone=None)
        await ann.enrol()
        await root.put(role="admin", phone=None, locale="de")
        await world.helpdesk.move_clock(SETTLED)
        challenge_id, code = await _asked(ann)
        await world.helpdesk.verify({"id": challenge_id}, code=code)
        told = await root.notice("recovery_for_admins")
        assert "Konto" in told["text"]
        waiting = await ann.recovery_in("waiting")
        assert waiting["id"] in told["text"]
        body = {"actor": "root", "reason": "She says that it was not her"}
        denied = await world.helpdesk.call("POST", f"{ann.path}/recovery/{waiting['id']}/deny", body)
        assert denied["state"] == "denied"
        await world.helpdesk.move_clock(3 * DAY)
        assert await ann.decision() == "challenge"
