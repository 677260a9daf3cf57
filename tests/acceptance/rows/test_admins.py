"""Rows 18 to 20 of docs/features.md: what an admin does for somebody else's account."""

import pytest

from tests.support.backend import (
    HOUR,
    MINUTE,
    OLD_ADDRESS,
    STEP,
    add_app,
    app_of,
    challenge_of,
    code_of,
    codes,
    confirm,
    happened,
    instant,
    path_of,
    put,
    require,
    start,
    status,
    told,
    verifying,
)
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

BY_ROOT = {"actor": "root", "reason": "Lost phone, checked by video"}


async def test_row_18_an_admin_removes_an_accounts_2fa_and_a_required_account_sets_it_up_again(stack: Stack) -> None:
    """The old phone and the old codes are worth nothing from then on, and the owner hears of it on every channel."""
    async with open_world(stack) as world:
        helpdesk, reset = world.helpdesk, path_of("ann", "reset")
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann", phone="+447700900123")
        lost, _ = await add_app(helpdesk, "ann")
        await require(helpdesk, required={"scope": "roles", "roles": ["agent"]})
        await helpdesk.move_clock(OLD_ADDRESS)
        before = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", reset, {"actor": "root"}, "validation_failed")
        await helpdesk.refused("POST", reset, {**BY_ROOT, "actor": "ann"}, "not_on_oneself")
        await put(helpdesk, "ben")
        await helpdesk.refused("POST", reset, {**BY_ROOT, "actor": "ben"}, "actor_not_an_admin")
        assert (await helpdesk.call("POST", reset, BY_ROOT))["revoked_factors"] == 1
        notices = await told(helpdesk, "ann", "account_reset", times=2)
        assert {each["channel"] for each in notices} == {"email", "sms"}
        [entry] = await happened(helpdesk, "ann", "account.reset")
        assert (entry["actor"], BY_ROOT["reason"] in entry["summary"]) == ("admin:root", True)
        await happened(helpdesk, "ann", "sessions.should_end")
        for answer in ({"code": lost.totp(helpdesk.now)}, {"backup_code": lost.backup_codes[0]}):
            code, _, _ = await helpdesk.ask("POST", verifying(before), answer)
            assert code == 409

        login = await helpdesk.login("ann")
        assert login["decision"] == "enrol"
        sent = len(await codes(helpdesk, "ann"))
        await helpdesk.call("POST", f"/v1/challenges/{login['challenge']['id']}/send", {}, expect=202)
        await helpdesk.verify(login["challenge"], code=await code_of(helpdesk, "ann", after=sent))
        started = await start(helpdesk, "ann", proof=login["challenge"]["id"])
        new = app_of("ann", started)
        confirmed = await confirm(helpdesk, "ann", started, new.totp(helpdesk.now))
        assert len(confirmed["backup_codes"]) == 10
        assert (await status(helpdesk, "ann"))["enforcement"]["state"] == "satisfied"
        await helpdesk.move_clock(STEP)
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), code=new.totp(helpdesk.now))


async def test_row_19_an_admin_begins_an_enrolment_and_the_account_proves_the_code(stack: Stack) -> None:
    """For whom it is too difficult alone, locked out or not: the admin hands the key over, and it counts from the
    account's own code.
    """
    async with open_world(stack) as world:
        helpdesk, factors = world.helpdesk, path_of("ann", "factors")
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann", phone="+447700900123")
        await require(helpdesk, required={"scope": "roles", "roles": ["agent"]})
        await helpdesk.move_clock(OLD_ADDRESS)
        assert (await helpdesk.login("ann"))["decision"] == "locked_out"
        await helpdesk.refused("POST", factors, {"type": "totp"}, "proof_required")
        await helpdesk.refused("POST", factors, {"type": "totp", "actor": "root"}, "validation_failed")
        started = await start(helpdesk, "ann", **BY_ROOT)
        assert (started["factor"]["state"], len(started["totp"]["seed"])) == ("pending", 32)
        notices = await told(helpdesk, "ann", "factor_set_up", times=2)
        assert {each["channel"] for each in notices} == {"email", "sms"}
        assert (await helpdesk.login("ann"))["decision"] == "locked_out", "nothing is proved yet"
        [entry] = await happened(helpdesk, "ann", "factor.enrolled")
        assert entry["actor"] == "admin:root"

        app = app_of("ann", started)
        confirmed = await confirm(helpdesk, "ann", started, app.totp(helpdesk.now))
        assert len(confirmed["backup_codes"]) == 10
        await told(helpdesk, "ann", "factor_added", times=2)
        await helpdesk.refused("POST", factors, {"type": "email", **BY_ROOT}, "has_factors")
        await helpdesk.move_clock(STEP)
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), code=app.totp(helpdesk.now))


async def test_row_20_an_admin_makes_a_recovery_code_that_is_good_once_and_for_an_hour(stack: Stack) -> None:
    """Read out over the phone to somebody who has nothing else: it must not lie about, and its owner hears of it."""
    async with open_world(stack) as world:
        helpdesk, recovery_codes = world.helpdesk, path_of("ann", "recovery-codes")
        await put(helpdesk, "root", "admin")
        await put(helpdesk, "ann", phone="+447700900123")
        await helpdesk.refused("POST", recovery_codes, BY_ROOT, "no_factors")
        ann, _ = await add_app(helpdesk, "ann")
        await helpdesk.refused("POST", recovery_codes, {"actor": "root"}, "validation_failed")
        made = await helpdesk.call("POST", recovery_codes, BY_ROOT, expect=201)
        assert abs(instant(made["expires_at"]) - helpdesk.now - HOUR) < MINUTE
        notices = await told(helpdesk, "ann", "recovery_code_issued", times=2)
        assert {each["channel"] for each in notices} == {"email", "sms"}
        assert not [each for each in notices if made["recovery_code"] in each["text"]]

        challenge = await challenge_of(helpdesk, "ann")
        body = {"recovery_code": made["recovery_code"], "trust_device": True}
        verified = await helpdesk.verify(challenge, **body)
        assert (verified["method"], verified["leads_to"]) == ("recovery_code", "security")
        assert verified["trusted_device"] is None
        await told(helpdesk, "ann", "recovery_code_used", times=2)
        again = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(again), body, "code_already_used")

        late = await helpdesk.call("POST", recovery_codes, {**BY_ROOT, "minutes": 5}, expect=201)
        await helpdesk.move_clock(5 * MINUTE)
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(challenge), {"recovery_code": late["recovery_code"]}, "code_wrong")
        await helpdesk.verify(challenge, code=ann.totp(helpdesk.now))
