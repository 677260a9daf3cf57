"""The code that an admin makes for somebody who has nothing else: good once, for an hour, and never in silence."""

import asyncio

import pytest

from shared.contracts import events
from shared.contracts.commands import MakeRecoveryCode, ReadSecurity, ResetAccount, StartEnrolment
from shared.contracts.types import Acting, Channel, DeliveryId, FactorType, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Verifier, contact, request_key

BOB = "bob"
MAKE = MakeRecoveryCode(reason="new phone, called back", acting=Acting(actor=BOB))
HOUR = 3600


@pytest.fixture
async def desk(verifier: Verifier) -> Verifier:
    """Bob is an admin."""
    await verifier.account(BOB, role="admin")
    return verifier


async def made(desk: Verifier) -> str:
    """A new one."""
    code: str = (await desk.data(MAKE))["recovery_code"]
    return code


async def test_a_recovery_code_lets_in_once_and_is_told_of(desk: Verifier) -> None:
    """It stands in for the lost factor; its owner hears that it was made, and that it was used."""
    app = await desk.enrol()
    await desk.enrol_by_code(FactorType.SMS, proof=await desk.proof(app), destination=contact("other-phone"))
    answer = await desk.data(MAKE)
    [issued] = await desk.said(events.RecoveryCodeIssued)
    assert issued.data.reason == MAKE.reason
    assert issued.data.expires_at.isoformat().replace("+00:00", "Z") == answer["expires_at"]
    everywhere = {"k1.ann-mail", "k1.ann-phone", "k1.other-phone"}
    assert {digest for name, digest in await desk.notices() if name == "recovery_code_issued"} == everywhere

    first = await desk.challenge()
    passed = await desk.passed(first.id, answer["recovery_code"].lower().replace("-", " "), kind="recovery_code")
    assert (passed.method, passed.trusted_device, passed.backup_codes_left) == ("recovery_code", None, 10)
    assert passed.assertion is not None
    assert len(await desk.said(events.RecoveryCodeUsed)) == 1
    assert {digest for name, digest in await desk.notices() if name == "recovery_code_used"} == everywhere
    again = await desk.verify((await desk.challenge()).id, answer["recovery_code"], kind="recovery_code")
    assert again.code == "code_already_used"
    assert len(await desk.said(events.RecoveryCodeUsed)) == 1


async def test_it_never_gives_a_trusted_device(desk: Verifier) -> None:
    """Whoever overheard it would be in for thirty days, and not once."""
    await desk.enrol()
    passed = await desk.passed((await desk.challenge()).id, await made(desk), kind="recovery_code", trust_device=True)
    assert passed.trusted_device is None


async def test_it_proves_enough_to_enrol_what_replaces_the_lost_factor(desk: Verifier) -> None:
    """Else the person would be back at the telephone at the next login."""
    app = await desk.enrol()
    step_up = await desk.challenge(purpose=Purpose.STEP_UP)
    await desk.passed(step_up.id, await made(desk), kind="recovery_code")
    replacement = StartEnrolment(factor_type=FactorType.TOTP, proof=step_up.id, replaces=app.factor_id)
    assert (await desk.ask(replacement)).code is None


async def test_it_is_over_at_its_last_instant(desk: Verifier) -> None:
    """An hour, in the tenant's time; a day at most is the API's to say."""
    await desk.enrol()
    code = await made(desk)
    await desk.move(HOUR)
    assert (await desk.verify((await desk.challenge()).id, code, kind="recovery_code")).code == "code_wrong"
    assert await desk.said(events.RecoveryCodeUsed) == []


async def test_who_is_no_admin_any_more_is_not_shown_it_again(desk: Verifier) -> None:
    """The same request within ten minutes gets the same answer, and the answer is a way in."""
    await desk.enrol()
    asked = MAKE.model_copy(update={"request": request_key()})
    first = await desk.data(asked)
    assert await desk.data(asked) == first
    await desk.account(BOB, role="agent")
    assert (await desk.ask(asked)).code == "actor_not_an_admin"
    await desk.account(BOB, role="admin")
    assert await desk.data(asked) == first
    assert len(await desk.said(events.RecoveryCodeIssued)) == 1


async def test_who_is_no_admin_any_more_is_not_shown_a_key_again(desk: Verifier) -> None:
    """What an admin set up holds the seed."""
    asked = StartEnrolment(
        factor_type=FactorType.TOTP, acting=Acting(actor=BOB), reason="first day", request=request_key()
    )
    first = await desk.data(asked)
    assert await desk.data(asked) == first
    await desk.account(BOB, is_active=False)
    assert (await desk.ask(asked)).code == "actor_not_an_admin"


async def test_a_second_one_voids_the_first(desk: Verifier) -> None:
    """The one that was read out to the wrong person must have an end."""
    await desk.enrol()
    first, second = await made(desk), await made(desk)
    challenge = await desk.challenge()
    assert (await desk.verify(challenge.id, first, kind="recovery_code")).code == "code_wrong"
    await desk.passed(challenge.id, second, kind="recovery_code")


async def test_it_leaves_the_backup_codes_alone_and_a_reset_ends_it(desk: Verifier) -> None:
    """It is beside them; what a reset leaves behind would be a way in."""
    app = await desk.enrol()
    await made(desk)
    assert (await desk.data(ReadSecurity()))["backup_codes"]["codes_left"] == 10
    await desk.passed((await desk.challenge()).id, app.backup_codes[0], kind="backup_code")
    await desk.data(ResetAccount(reason="lost phone", acting=Acting(actor=BOB)))
    good = "SELECT count(*) FROM otp.backup_codes WHERE tenant_id = $1 AND voided_at IS NULL"
    assert await desk.admin.fetchval(good, desk.tenant_id) == 0


async def test_not_me_ends_a_code_that_was_not_used_and_what_was_shown_with_one(desk: Verifier) -> None:
    """Its owner hears that it was made or used, and says so while whoever asked for it is still at work."""
    await desk.enrol()
    unused = await made(desk)
    await _dispute(desk)
    step_up = await desk.challenge(purpose=Purpose.STEP_UP)
    assert (await desk.verify(step_up.id, unused, kind="recovery_code")).code == "code_wrong"
    await desk.passed(step_up.id, await made(desk), kind="recovery_code")
    await _dispute(desk)
    changing = StartEnrolment(factor_type=FactorType.SMS, proof=step_up.id, destination=contact("other-phone"))
    assert (await desk.ask(changing)).code == "proof_required"


async def _dispute(desk: Verifier) -> None:
    await desk.hear(
        events.NoticeDisputed(
            delivery_id=DeliveryId(new_id()), notification="recovery_code_issued", channel=Channel.EMAIL
        )
    )


async def test_where_there_is_nothing_to_stand_in_for_none_is_made(desk: Verifier) -> None:
    """Such a code would be a password that an admin knows."""
    assert (await desk.ask(MAKE)).code == "no_factors"
    await desk.enrol()
    for actor, refused in (("nobody", "actor_not_an_admin"), (ANN, "not_on_oneself")):
        assert (await desk.ask(MAKE.model_copy(update={"acting": Acting(actor=actor)}))).code == refused
    assert (await desk.ask(MAKE, "nobody")).code == "account_not_found"
    await desk.account(is_active=False)
    assert (await desk.ask(MAKE)).code == "account_inactive"
    assert await desk.said(events.RecoveryCodeIssued) == []


async def test_of_two_equal_ones_at_once_one_wins(desk: Verifier) -> None:
    """Read out once, typed by two: one of them is not the owner."""
    await desk.enrol()
    await desk.move(2 * STEP)
    code = await made(desk)
    challenges = [await desk.challenge(), await desk.challenge(purpose=Purpose.STEP_UP)]
    answers = await asyncio.gather(
        *(desk.verify(each.id, code, kind="recovery_code") for each in challenges for _ in range(3))
    )
    assert sorted(answer.code or "passed" for answer in answers).count("passed") == 1
    assert len(await desk.said(events.RecoveryCodeUsed)) == 1


async def test_it_rests_as_a_hash_and_is_in_no_message(desk: Verifier) -> None:
    """Whoever reads the tables or the queues has nothing to type."""
    await desk.enrol()
    code = (await made(desk)).replace("-", "")
    rows = await desk.admin.fetch("SELECT body FROM bus.outbox WHERE tenant_id = $1", desk.tenant_id)
    assert all(code[1:].encode() not in row["body"].replace(b"-", b"") for row in rows)
    stored = await desk.admin.fetchval(
        "SELECT hash FROM otp.backup_codes WHERE tenant_id = $1 AND kind = 'recovery_code'", desk.tenant_id
    )
    assert stored.startswith("$argon2id$")
