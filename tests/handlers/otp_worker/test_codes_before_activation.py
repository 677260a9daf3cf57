"""Row 12: backup codes that are saved before the first factor is active, and what becomes of them if it never is."""

import asyncio
import datetime as dt

import pyotp
import pytest

from services.otp_worker.handlers.time_passing import expire
from shared.contracts import commands, events
from shared.contracts.commands import AcknowledgeBackupCodes, RevokeFactor, StartEnrolment
from shared.contracts.policy import BackupCodes, Policy, RecoveryKey
from shared.contracts.replies import BackupCodesStatus, EnrolmentAnswer
from shared.contracts.types import Acting, FactorType
from tests.handlers.otp_worker.conftest import STEP, Answered, Verifier, contact, request_key

BEFORE = Policy(backup_codes=BackupCodes.BEFORE_ACTIVATION)
WITH_KEY = Policy(backup_codes=BackupCodes.BEFORE_ACTIVATION, recovery_key=RecoveryKey.BESIDE)


@pytest.fixture
async def before(verifier: Verifier) -> Verifier:
    """A tenant that wants the codes saved first."""
    await verifier.policy(BEFORE)
    return verifier


async def test_codes_come_with_the_start_and_are_good_with_the_factor(verifier: Verifier) -> None:
    """Whoever loses the phone a minute after the set-up has the paper already."""
    await verifier.policy(WITH_KEY)
    started = await verifier.start()
    assert started.backup_codes is not None
    assert (len(set(started.backup_codes)), started.recovery_key is not None) == (10, True)
    assert await verifier.said(events.BackupCodesGenerated) == []
    status = BackupCodesStatus.model_validate(await verifier.data(AcknowledgeBackupCodes()))
    assert status.pending is not None
    assert (status.codes_left, status.pending.acknowledged_at is not None) == (0, True)
    confirmed = await _confirm(verifier, started)
    assert confirmed.data is not None
    assert (confirmed.data["backup_codes"], confirmed.data["recovery_key"]) == (None, None)
    after = (await verifier.security()).backup_codes
    assert (after.codes_left, after.pending, after.acknowledged_at) == (10, None, status.pending.acknowledged_at)
    assert after.recovery_key is not None
    assert after.recovery_key.acknowledged_at == status.pending.acknowledged_at
    assert [each.data.count for each in await verifier.said(events.BackupCodesGenerated)] == [10, 1]
    await verifier.passed((await verifier.challenge()).id, started.backup_codes[0], kind="backup_code")
    assert started.recovery_key is not None
    await verifier.passed((await verifier.challenge()).id, started.recovery_key, kind="recovery_key")


async def test_until_they_are_saved_no_code_is_judged_and_nothing_is_used_up(before: Verifier) -> None:
    """The same code must be good a moment later: authenticators change theirs every thirty seconds only."""
    started = await before.start()
    now = await before.now()
    for _ in range(6):
        assert (await _confirm(before, started, now)).code == "codes_unsaved"
    assert (await before.confirm(started.factor.id, "000000")).code == "codes_unsaved"
    assert await before.said(events.ChallengeRejected) == []
    await before.data(AcknowledgeBackupCodes())
    assert (await _confirm(before, started, now)).code is None


async def test_a_phone_is_enrolled_in_the_same_order(before: Verifier) -> None:
    """The code that was sent waits for the paper, too."""
    started = await before.start(FactorType.SMS)
    assert started.backup_codes is not None
    [code] = await before.codes()
    assert (await before.confirm(started.factor.id, code)).code == "codes_unsaved"
    await before.data(AcknowledgeBackupCodes())
    assert (await before.confirm(started.factor.id, code)).code is None


async def test_a_lost_answer_shows_the_same_codes_again(before: Verifier) -> None:
    """The retry of a request must not void what its first answer has shown."""
    asked = StartEnrolment(factor_type=FactorType.SMS, request=request_key())
    first, again = await before.data(asked), await before.data(asked)
    assert first["backup_codes"] is not None
    assert again == first


async def test_beginning_again_shows_others_and_they_have_to_be_saved_again(before: Verifier) -> None:
    """Of two sheets of paper only the last one counts: "saved" was said of the first."""
    await before.start()
    await before.data(AcknowledgeBackupCodes())
    again = await before.start()
    assert (await _confirm(before, again)).code == "codes_unsaved"
    await before.data(AcknowledgeBackupCodes())
    assert (await _confirm(before, again)).code is None
    assert (await before.security()).backup_codes.codes_left == 10


async def test_a_beginning_that_shows_codes_ends_the_one_before_it_of_whatever_kind(before: Verifier) -> None:
    """The second may be a thief's, with the password and a phone of their own: the codes that it showed must not become
    good by the owner's confirmation of the first.
    """
    app = await before.start()
    phone = await before.start(FactorType.SMS)
    assert phone.backup_codes is not None
    await before.data(AcknowledgeBackupCodes())
    assert (await _confirm(before, app)).code == "factor_not_pending"
    assert (await before.security()).backup_codes.codes_left == 0
    again = await before.start()
    assert again.backup_codes is not None
    await before.data(AcknowledgeBackupCodes())
    assert (await _confirm(before, again)).code is None
    theirs = await before.verify((await before.challenge()).id, phone.backup_codes[0], kind="backup_code")
    assert theirs.code == "code_wrong"
    await before.passed((await before.challenge()).id, again.backup_codes[0], kind="backup_code")


async def test_codes_shown_to_a_password_alone_do_not_ride_on_what_an_admin_set_up(before: Verifier) -> None:
    """The key was handed to the owner; codes that somebody else was shown meanwhile must not come with it."""
    await before.account("bob", role="admin")
    given = {"factor_type": "totp", "acting": Acting(actor="bob"), "reason": "first day at work"}
    by_admin = EnrolmentAnswer.model_validate(await before.data(StartEnrolment.model_validate(given)))
    await before.start(FactorType.SMS)
    await before.data(AcknowledgeBackupCodes())
    assert (await _confirm(before, by_admin)).code == "factor_not_pending"


async def test_an_admin_who_sets_a_factor_up_is_shown_no_codes(before: Verifier) -> None:
    """The key is handed over; the codes are for nobody's eyes but the owner's, who gets them with the confirmation."""
    await before.account("bob", role="admin")
    given = {"factor_type": "totp", "acting": Acting(actor="bob"), "reason": "first day at work"}
    started = EnrolmentAnswer.model_validate(await before.data(StartEnrolment.model_validate(given)))
    assert started.backup_codes is None
    confirmed = await _confirm(before, started)
    assert confirmed.data is not None
    assert len(confirmed.data["backup_codes"]) == 10


async def test_an_abandoned_beginning_leaves_nothing_behind(before: Verifier) -> None:
    """Fifteen minutes, then the codes on the screen are numbers; whoever comes back begins again."""
    started = await before.start()
    await before.data(AcknowledgeBackupCodes())
    await before.move(15 * 60)
    assert (await _confirm(before, started)).code == "challenge_expired"
    assert (await before.security()).backup_codes.pending is None
    assert (await before.ask(AcknowledgeBackupCodes())).code == "no_backup_codes"
    while await expire(before.deps):
        pass
    await before.hear(events.ClockMoved(advance_seconds=900), None)
    waiting = await before.admin.fetchval(
        "SELECT count(*) FROM otp.backup_codes WHERE tenant_id = $1 AND voided_at IS NULL", before.tenant_id
    )
    assert waiting == 0


async def test_a_dropped_beginning_takes_its_codes_with_it(before: Verifier) -> None:
    """Turned back on the page: what was shown is void at once, not a quarter of an hour later."""
    app = await before.start()
    assert (await before.security()).backup_codes.pending is not None
    assert (await before.ask(RevokeFactor(factor_id=app.factor.id))).code is None
    assert (await before.security()).backup_codes.pending is None


async def test_codes_that_wait_open_nothing(verifier: Verifier) -> None:
    """Whatever brings a set and a prompt together: what is pending is no code, and is not offered."""
    app = await verifier.enrol()
    await verifier.admin.execute(
        "UPDATE otp.backup_codes SET pending_until = now() + interval '1 hour' WHERE tenant_id = $1", verifier.tenant_id
    )
    challenge = await verifier.challenge()
    assert not challenge.has_backup_codes
    assert (await verifier.verify(challenge.id, app.backup_codes[0], kind="backup_code")).code == "code_wrong"


async def test_later_factors_and_the_old_set_are_left_alone(before: Verifier) -> None:
    """A second device brings no codes, and its abandoned beginning voids none."""
    first = await before.start()
    assert first.backup_codes is not None
    assert first.totp is not None
    await before.data(AcknowledgeBackupCodes())
    now = await before.now()
    await _confirm(before, first, now)
    now = await before.move(2 * STEP)
    challenge = await before.challenge()
    await before.passed(challenge.id, pyotp.TOTP(first.totp.seed).at(now))
    later = await before.start(FactorType.SMS, proof=challenge.id, destination=contact("other-phone"))
    assert later.backup_codes is None
    await before.move(16 * 60)
    await before.hear(events.ClockMoved(advance_seconds=960), None)
    assert (await before.security()).backup_codes.codes_left == 10
    await before.passed((await before.challenge()).id, first.backup_codes[5], kind="backup_code")


async def test_a_policy_that_changed_meanwhile_asks_for_no_saving_of_what_was_never_shown(verifier: Verifier) -> None:
    """What counts is what this enrolment has shown, not what the tenant thinks by the time of the code."""
    early = await verifier.start()
    await verifier.policy(BEFORE)
    confirmed = await _confirm(verifier, early)
    assert confirmed.data is not None
    assert len(confirmed.data["backup_codes"]) == 10


async def test_saying_saved_and_proving_the_code_at_once_end_in_one_truth(before: Verifier) -> None:
    """Two clicks: either the code was too early and is good again, or both are done."""
    started = await before.start()
    now = await before.now()
    saved, proved = await asyncio.gather(before.ask(AcknowledgeBackupCodes()), _confirm(before, started, now))
    assert (saved.code, proved.code in (None, "codes_unsaved")) == (None, True)
    if proved.code is not None:
        assert (await _confirm(before, started, now)).code is None
    assert (await before.security()).backup_codes.codes_left == 10


async def test_a_recovery_or_reset_meanwhile_voids_what_waits(before: Verifier) -> None:
    """Taken down is taken down: the account begins with nothing."""
    await before.start()
    now = await before.move(60)
    executed = {"recovery_id": "01990000-0000-7000-8000-0000000000e1", "requested_at": now}
    await before.hear(commands.ExecuteRecovery.model_validate(executed))
    assert (await before.security()).backup_codes.pending is None


async def _confirm(verifier: Verifier, started: EnrolmentAnswer, now: dt.datetime | None = None) -> Answered:
    """The code that the app shows."""
    assert started.totp is not None
    return await verifier.confirm(started.factor.id, pyotp.TOTP(started.totp.seed).at(now or await verifier.now()))
