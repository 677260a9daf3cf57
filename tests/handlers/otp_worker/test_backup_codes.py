"""Backup codes: each once, ten in all, a count of failures of their own."""

import asyncio

from shared.contracts import events
from shared.contracts.commands import AcknowledgeBackupCodes, ReadSecurity, RegenerateBackupCodes
from shared.contracts.replies import BackupCodesAnswer
from shared.contracts.types import Context, Method
from tests.handlers.otp_worker.conftest import STEP, Answered, Verifier, another_like


async def test_a_backup_code_passes_once(verifier: Verifier) -> None:
    """The phone is lost; the paper is not, and it is good once."""
    app = await verifier.enrol()
    answer = await verifier.passed((await verifier.challenge()).id, app.backup_codes[3], kind="backup_code")
    assert (answer.method, answer.amr, answer.backup_codes_left) == (Method.BACKUP_CODE, ("backup_code",), 9)
    assert answer.leads_to == "security"  # the phone is lost: there a new one is set up
    again = await verifier.verify((await verifier.challenge()).id, app.backup_codes[3], kind="backup_code")
    assert again.code == "code_already_used"
    assert [each.data.codes_left for each in await verifier.said(events.BackupCodesUsed)] == [9]
    assert [name for name, _ in await verifier.notices()].count("backup_code_used") == 2


async def test_a_backup_code_is_read_as_people_write(verifier: Verifier) -> None:
    """Lower case, spaces, O for 0: the paper was written in a hurry."""
    app = await verifier.enrol()
    sloppy = app.backup_codes[0].replace("-", " ").lower().replace("0", "o").replace("1", "l")
    await verifier.passed((await verifier.challenge()).id, sloppy, kind="backup_code")


async def test_of_two_equal_backup_codes_at_once_one_wins(verifier: Verifier) -> None:
    """On one challenge and on two."""
    app = await verifier.enrol()
    here = await verifier.challenge()
    there = await verifier.challenge(context=Context(ip="198.51.100.9"))
    tries = [verifier.verify(each.id, app.backup_codes[0], kind="backup_code") for each in (here, there, here, there)]
    answers = await asyncio.gather(*tries)
    assert [answer.code for answer in answers].count(None) == 1
    assert {answer.code for answer in answers} <= {None, "code_already_used", "challenge_not_open"}


async def test_backup_codes_in_a_frame_are_judged_singly(verifier: Verifier) -> None:
    """Their slow hash must not hold up the others, nor be left out."""
    app = await verifier.enrol()
    await verifier.account("bob")
    bobs = await verifier.enrol("bob")
    now = await verifier.move(STEP)
    mine, his = await verifier.challenge(), await verifier.challenge("bob")
    answers = await verifier.ask_all(
        [
            verifier.attempt(mine.id, app.backup_codes[0], kind="backup_code"),
            verifier.attempt(his.id, bobs.code(now), account_id="bob"),
        ]
    )
    assert [answer.code for answer in answers] == [None, None]


async def test_a_warning_comes_at_three_left(verifier: Verifier) -> None:
    """Before the paper is empty, not after; and once, not with every code from then on."""
    app = await verifier.enrol()
    for code in app.backup_codes[:9]:
        await verifier.passed((await verifier.challenge()).id, code, kind="backup_code")
    assert [each.data.codes_left for each in await verifier.said(events.BackupCodesLow)] == [3]
    assert [name for name, _ in await verifier.notices()].count("backup_codes_low") == 2  # by mail and by SMS


async def test_ten_wrong_ones_close_them_for_a_day_and_the_app_stays_open(verifier: Verifier) -> None:
    """A count of their own: who guesses at paper must not shut out the phone."""
    app = await verifier.enrol()
    wrong = another_like(app.backup_codes[0])
    for number in range(2):
        challenge = await verifier.challenge(context=Context(ip=f"192.0.2.{number}"))
        answers = [await verifier.verify(challenge.id, wrong, kind="backup_code") for _ in range(5)]
        assert [answer.code for answer in answers] == ["code_wrong"] * 5
    challenge = await verifier.challenge()
    closed = await verifier.verify(challenge.id, app.backup_codes[0], kind="backup_code")
    assert closed.code == "throttled"
    now = await verifier.move(STEP)
    await verifier.passed(challenge.id, app.code(now))
    await verifier.move(24 * 3600)
    await verifier.passed((await verifier.challenge()).id, app.backup_codes[0], kind="backup_code")


async def test_new_codes_void_the_old_ones(verifier: Verifier) -> None:
    """A lost sheet of paper is worth nothing once its owner has said so."""
    app = await verifier.enrol()
    asked = RegenerateBackupCodes()
    assert (await verifier.ask(asked)).code == "proof_required"
    proof = await verifier.proof(app)
    made = await verifier.data(asked.model_copy(update={"proof": proof}))
    codes = BackupCodesAnswer.model_validate(made).backup_codes
    assert codes is not None
    assert len(codes) == 10
    assert "backup_codes_generated" in {name for name, _ in await verifier.notices()}
    old = await verifier.verify((await verifier.challenge()).id, app.backup_codes[0], kind="backup_code")
    assert old.code == "code_wrong"
    await verifier.passed((await verifier.challenge()).id, codes[0], kind="backup_code")


async def test_a_backup_code_is_a_proof_for_setting_up_anew(verifier: Verifier) -> None:
    """Lost phone, backup code, new phone: without a day's wait."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    await verifier.passed(challenge.id, app.backup_codes[0], kind="backup_code")
    new = await verifier.enrol(proof=challenge.id, replaces=app.factor_id)
    assert new.factor_id != app.factor_id


async def test_saving_them_is_noted_once(verifier: Verifier) -> None:
    """The first time counts; without codes there is nothing to save."""
    assert (await verifier.ask(AcknowledgeBackupCodes())).code == "no_backup_codes"
    await verifier.enrol()
    first = await verifier.data(AcknowledgeBackupCodes())
    await verifier.move(60)
    again = await verifier.data(AcknowledgeBackupCodes())
    assert first["acknowledged_at"] is not None
    assert again == first
    assert (await verifier.data(ReadSecurity()))["backup_codes"] == first


async def test_where_there_are_none_nothing_is_counted(verifier: Verifier) -> None:
    """Nobody can guess what was never made."""
    app = await verifier.enrol()
    await verifier.admin.execute(
        "UPDATE otp.accounts SET backup_set_id = NULL WHERE tenant_id = $1", verifier.tenant_id
    )
    await verifier.admin.execute(
        "UPDATE otp.backup_codes SET voided_at = now() WHERE tenant_id = $1", verifier.tenant_id
    )
    challenge = await verifier.challenge()
    assert not challenge.has_backup_codes
    answered: Answered = await verifier.verify(challenge.id, app.backup_codes[0], kind="backup_code")
    assert answered.code == "no_backup_codes"


async def test_a_code_of_another_form_is_no_try(verifier: Verifier) -> None:
    """A mistyped length says nothing about the code."""
    await verifier.enrol()
    challenge = await verifier.challenge()
    assert (await verifier.verify(challenge.id, "7-ABCD", kind="backup_code")).code == "code_malformed"
