"""Rows 11 to 14 and 31 of docs/features.md: codes on paper, and what people are told about them."""

import re

import pytest

from tests.support.backend import (
    STEP,
    add_app,
    app_of,
    challenge_of,
    confirm,
    confirming,
    happened,
    path_of,
    proof_of,
    put,
    start,
    status,
    to_the_start_of_a_step,
    told,
    verifying,
)
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

BACKUP_CODES = path_of("ann", "backup-codes")


async def test_row_11_ten_codes_each_works_once_and_at_three_left_there_is_a_warning(stack: Stack) -> None:
    """They are the way in on the day on which nothing else is left, so the owner hears of it before that day."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, _ = await add_app(helpdesk, "ann")
        assert len(set(ann.backup_codes)) == 10
        used = [ann.backup_codes.pop() for _ in range(7)]
        for left, code in zip(range(9, 2, -1), used, strict=True):
            challenge = await challenge_of(helpdesk, "ann")
            assert challenge["has_backup_codes"] is True
            assert (await helpdesk.verify(challenge, backup_code=code))["backup_codes_left"] == left
        again = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(again), {"backup_code": used[-1]}, "code_already_used")
        assert (await status(helpdesk, "ann"))["backup_codes"]["codes_left"] == 3
        assert len(await told(helpdesk, "ann", "backup_codes_low")) == 1
        assert len(await happened(helpdesk, "ann", "backup_codes.low")) == 1

        proof = {"proof": await proof_of(helpdesk, ann)}
        new = (await helpdesk.call("POST", BACKUP_CODES, proof, expect=201))["backup_codes"]
        assert len(set(new) - set(ann.backup_codes)) == 10
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(challenge), {"backup_code": ann.backup_codes[0]}, "code_wrong")
        assert (await helpdesk.verify(challenge, backup_code=new[0]))["backup_codes_left"] == 9


async def test_row_12_codes_are_shown_once_the_factor_is_active(stack: Stack) -> None:
    """The order that most helpdesks have: what is shown before might belong to a factor that never comes."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await helpdesk.refused("POST", f"{BACKUP_CODES}/acknowledge", {}, "no_backup_codes")
        started = await start(helpdesk, "ann")
        assert not started.get("backup_codes")
        app = app_of("ann", started)
        confirmed = await confirm(helpdesk, "ann", started, app.totp(helpdesk.now))
        assert len(confirmed["backup_codes"]) == 10
        assert (await status(helpdesk, "ann"))["backup_codes"]["acknowledged_at"] is None
        acknowledged = await helpdesk.call("POST", f"{BACKUP_CODES}/acknowledge", {})
        assert (acknowledged["codes_left"], acknowledged["acknowledged_at"] is not None) == (10, True)


async def test_row_12_codes_are_saved_before_the_factor_is_active_where_the_tenant_wants_it(stack: Stack) -> None:
    """Whoever closes the page with the codes unsaved has no factor yet, and so has lost nothing."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await helpdesk.call("PUT", "/v1/policy", {"backup_codes": "before_activation"})
        abandoned = await start(helpdesk, "ann")
        started = await start(helpdesk, "ann")
        assert len(set(started["backup_codes"]) - set(abandoned["backup_codes"])) == 10
        app = app_of("ann", started)
        await to_the_start_of_a_step(helpdesk)
        code = {"code": app.totp(helpdesk.now)}
        for _ in range(6):
            await helpdesk.refused("POST", confirming("ann", started), code, "codes_unsaved")
        saved = await helpdesk.call("POST", f"{BACKUP_CODES}/acknowledge", {})
        assert (saved["codes_left"], saved["pending"]["acknowledged_at"] is not None) == (0, True)
        confirmed = await helpdesk.call("POST", confirming("ann", started), code)
        assert confirmed["factor"]["state"] == "active"
        assert not confirmed.get("backup_codes"), "they were shown"
        assert (await status(helpdesk, "ann"))["backup_codes"]["codes_left"] == 10
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.refused(
            "POST", verifying(challenge), {"backup_code": abandoned["backup_codes"][0]}, "code_wrong"
        )
        await helpdesk.verify(challenge, backup_code=started["backup_codes"][0])


async def test_row_13_a_recovery_key_beside_or_instead_of_the_codes_is_replaced_when_used(stack: Stack) -> None:
    """One long key is easier to keep than ten codes; used, it must leave its owner with another one."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        await helpdesk.call("PUT", "/v1/policy", {"recovery_key": "instead"})
        ann, confirmed = await add_app(helpdesk, "ann")
        assert not confirmed.get("backup_codes")
        challenge = await challenge_of(helpdesk, "ann")
        assert (challenge["has_backup_codes"], challenge["has_recovery_key"]) == (False, True)
        verified = await helpdesk.verify(challenge, recovery_key=confirmed["recovery_key"])
        assert (verified["method"], verified["leads_to"]) == ("recovery_key", "security")
        assert verified["recovery_key"] != confirmed["recovery_key"]
        again = await challenge_of(helpdesk, "ann")
        old = {"recovery_key": confirmed["recovery_key"]}
        await helpdesk.refused("POST", verifying(again), old, "code_already_used")
        [notice, *_] = await told(helpdesk, "ann", "recovery_key_used")
        assert "if you did not see or save it" in notice["text"].lower()
        assert (await status(helpdesk, "ann"))["backup_codes"]["recovery_key"]["acknowledged_at"] is None
        await helpdesk.call("POST", f"{BACKUP_CODES}/acknowledge", {})
        assert (await status(helpdesk, "ann"))["backup_codes"]["recovery_key"]["acknowledged_at"] is not None

        await helpdesk.call("PUT", "/v1/policy", {"recovery_key": "beside"})
        proof = {"proof": await proof_of(helpdesk, ann)}
        both = await helpdesk.call("POST", BACKUP_CODES, proof, expect=201)
        assert (len(both["backup_codes"]), bool(both["recovery_key"])) == (10, True)
        void = {"recovery_key": verified["recovery_key"]}
        await helpdesk.refused("POST", verifying(again), void, "code_wrong")
        await helpdesk.verify(again, recovery_key=both["recovery_key"])


async def test_row_14_after_a_backup_code_the_lost_authenticator_is_replaced_in_one_step(stack: Stack) -> None:
    """Who lost the phone sits there with one used code: the way on must need no second one."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        lost, confirmed = await add_app(helpdesk, "ann")
        challenge = await challenge_of(helpdesk, "ann")
        verified = await helpdesk.verify(challenge, backup_code=lost.backup_codes[0])
        assert (verified["method"], verified["backup_codes_left"]) == ("backup_code", 9)
        assert verified["leads_to"] == "security"
        assert await told(helpdesk, "ann", "backup_code_used")

        new, renewed = await add_app(helpdesk, "ann", proof=challenge["id"], replaces=confirmed["factor"]["id"])
        assert not renewed.get("backup_codes"), "the nine that are left stay good"
        held = (await helpdesk.call("GET", path_of("ann", "factors")))["data"]
        assert [factor["id"] for factor in held if factor["state"] == "active"] == [renewed["factor"]["id"]]
        await helpdesk.move_clock(STEP)
        challenge = await challenge_of(helpdesk, "ann")
        await helpdesk.refused("POST", verifying(challenge), {"code": lost.totp(helpdesk.now)}, "code_wrong")
        await helpdesk.verify(challenge, code=new.totp(helpdesk.now))


async def test_row_31_codes_are_text_to_keep_and_the_texts_say_how(stack: Stack) -> None:
    """Downloaded, printed or photographed: shown once, in a form that survives paper, with the advice beside it."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "ann")
        ann, shown_first = await add_app(helpdesk, "ann")
        for advice in ("password manager", "never share", "Prefer an authenticator app over SMS"):
            assert advice in shown_first["guidance"]
        assert all(re.fullmatch(r"[0-9A-Za-z]+(-[0-9A-Za-z]+)*", code) for code in ann.backup_codes)
        typed = ann.backup_codes[0].lower().replace("-", " ")
        await helpdesk.verify(await challenge_of(helpdesk, "ann"), backup_code=typed)
        shown = await status(helpdesk, "ann")
        assert not [code for code in ann.backup_codes if code in str(shown)]
        body = {"proof": await proof_of(helpdesk, ann)}
        made = await helpdesk.call("POST", BACKUP_CODES, body, expect=201)
        assert made["guidance"] == shown_first["guidance"]
        [notice, *_] = await told(helpdesk, "ann", "backup_codes_generated")
        assert "where only you can reach them" in notice["text"]
        await helpdesk.call("POST", path_of("ann", "factors"), {"type": "email", **body}, expect=201)
        [mail, *_] = await told(helpdesk, "ann", "code")
        assert "tell it to nobody" in mail["text"]
