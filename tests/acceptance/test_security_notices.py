"""A life of an account in which everything happens that its owner must hear of; each notice says "this was not me"."""

import datetime as dt

import pytest

from services.cli.demo.helpdesk import Json
from services.cli.demo.world import World
from shared.contracts.notifications import WITHOUT_DISPUTE, Notification
from tests.support.eventually import eventually
from tests.support.owner import SETTLED, Owner
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

BY_ROOT = {"actor": "root", "reason": "On the phone, known by voice"}
MINUTES = dt.timedelta(minutes=2)
# A hundred wrong codes in thirty days: tests/handlers/otp_worker/test_verification.py.
UNDER_SIEGE = {Notification.FACTOR_SUSPENDED}
# Ninety days under SSO: tests/acceptance/hard_cases/test_lost_devices.py.
AFTER_MONTHS = {Notification.UNUSED_FACTORS_REMOVED}


async def _saved_codes(ann: Owner) -> None:
    """New ones, until few are left; a wrong guess; the key; a code of an admin's."""
    path = f"{ann.path}/backup-codes"
    made = await ann.helpdesk.call("POST", path, {"proof": await ann.proof()}, expect=201)
    for code in made["backup_codes"][:7]:
        await ann.helpdesk.verify(await ann.challenge(), backup_code=code)
    ann.backup_codes = made["backup_codes"][7:]
    challenge = await ann.challenge()
    for code in ann.wrong_codes(5):
        await ann.helpdesk.send("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code})
    await ann.helpdesk.move_clock(MINUTES)
    await ann.helpdesk.verify(await ann.challenge(), recovery_key=made["recovery_key"])
    issued = await ann.helpdesk.call("POST", f"{ann.path}/recovery-codes", BY_ROOT, expect=201)
    await ann.helpdesk.verify(await ann.challenge(), recovery_code=issued["recovery_code"])


async def _second_factor(ann: Owner) -> None:
    """One more, trusted with a browser, and removed."""
    factor_id = await ann.begin(proof=await ann.proof())
    await ann.confirm(factor_id)
    await ann.sign_in(factor_id, trust_device=True)
    await ann.helpdesk.call("DELETE", f"{ann.path}/factors/{factor_id}?proof={await ann.proof()}")


async def _lost_device(ann: Owner) -> None:
    """Twice: found again, and gone for good."""
    await ann.helpdesk.move_clock(SETTLED)
    waiting = await ann.lose_device()
    await ann.helpdesk.call("POST", f"{ann.path}/recovery/{waiting['id']}/cancel", {})
    await ann.lose_device()
    assert (await ann.wait_out_recovery())["state"] == "executed"


async def _admins(ann: Owner) -> None:
    """Required, set up by an admin, a key instead of codes, reset, let in for an hour."""
    await ann.helpdesk.call("PUT", "/v1/policy", {"recovery_key": "instead"})
    await ann.helpdesk.call("PUT", f"{ann.path}/enforcement", BY_ROOT | {"required": True})
    factor_id = await ann.begin(**BY_ROOT)
    await ann.confirm(factor_id)
    await ann.helpdesk.move_clock(MINUTES)
    challenge = await ann.challenge(purpose="step_up")
    await ann.helpdesk.verify(challenge, code=ann.code(factor_id))
    await ann.helpdesk.call("POST", f"{ann.path}/backup-codes", {"proof": challenge["id"]}, expect=201)
    await ann.helpdesk.call("POST", f"{ann.path}/reset", BY_ROOT)
    await ann.helpdesk.call("POST", f"{ann.path}/unlock", BY_ROOT | {"hours": 1})


async def _told(world: World) -> list[Json]:
    """All that anybody of the tenant was sent."""
    found: list[Json] = []
    cursor = ""
    while True:
        page = await world.helpdesk.call("GET", f"/v1/sandbox/messages?account_id=ann&limit=100{cursor}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _addresses_told(world: World) -> set[str]:
    """Where the news of another address went."""
    return {each["to"] for each in await _told(world) if each["notification"] == "address_changed"}


async def test_whatever_happens_to_an_account_its_owner_hears_and_can_say_not_me(stack: Stack) -> None:
    """A change that is made in silence is the one that a thief makes."""
    async with open_world(stack) as world:
        ann, root = Owner(world.helpdesk), Owner(world.helpdesk, "root")
        await world.helpdesk.call("PUT", "/v1/policy", {"recovery_key": "beside"})
        await root.put(role="admin", phone=None)
        await ann.put()
        await ann.enrol()
        await _saved_codes(ann)
        await _second_factor(ann)
        await _lost_device(ann)
        await _admins(ann)
        await ann.change(email="new@acme.example", email_verified=True)

        expected = {each.value for each in Notification if each not in WITHOUT_DISPUTE | UNDER_SIEGE | AFTER_MONTHS}

        async def unheard_of() -> set[str]:
            return expected - {each["notification"] for each in await _told(world)}

        await eventually(unheard_of, lambda seen: not seen)
        told = await _told(world)
        for notification in expected:
            texts = [each["text"] for each in told if each["notification"] == notification]
            assert all("/not-me?tenant=" in text for text in texts), notification
        await eventually(lambda: _addresses_told(world), lambda seen: seen >= {ann.email, "new@acme.example"})
