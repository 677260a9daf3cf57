"""The owner says "this was not me": what somebody else may have begun ends, and no active factor goes."""

import hashlib

from shared.contracts import events
from shared.contracts.commands import MakeRecoveryCode, RedeemChallenge, RegenerateBackupCodes, SendCode, StartEnrolment
from shared.contracts.policy import BackupCodes, Policy, Requirement, Scope
from shared.contracts.types import Acting, Channel, DeliveryId, FactorType, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import FIREFOX, STEP, Verifier, contact

BOB = "bob"


async def dispute(verifier: Verifier, account_id: str = "ann") -> None:
    """News of it from the notifier."""
    said = events.NoticeDisputed(
        delivery_id=DeliveryId(new_id()), notification="failed_attempts", channel=Channel.EMAIL
    )
    await verifier.hear(said, account_id)


async def test_an_enrolment_that_was_begun_is_not_finished(verifier: Verifier) -> None:
    """The thief has the password, and the QR code on the screen: the code from it comes too late."""
    started = await verifier.start(FactorType.TOTP)
    await dispute(verifier)
    assert (await verifier.confirm(started.factor.id, "123456")).code == "factor_not_pending"
    assert [each.data.factor_id for each in await verifier.said(events.FactorExpired)] == [started.factor.id]
    [cancelled] = await verifier.said(events.ChallengeCancelled)
    assert (cancelled.data.purpose, cancelled.data.reason) == (Purpose.ENROLMENT, "disputed")
    await verifier.enrol()


async def test_codes_that_wait_for_a_factor_end_with_it(verifier: Verifier) -> None:
    """Where they are shown before activation, the thief has read them."""
    await verifier.policy(Policy(backup_codes=BackupCodes.BEFORE_ACTIVATION))
    await verifier.start(FactorType.TOTP)
    await dispute(verifier)
    good = "SELECT count(*) FROM otp.backup_codes WHERE tenant_id = $1 AND voided_at IS NULL"
    assert await verifier.admin.fetchval(good, verifier.tenant_id) == 0


async def test_a_login_under_way_ends_and_its_factors_stay(verifier: Verifier) -> None:
    """Whoever waits for a code to be phished has to ask anew; the owner does, too, and gets in."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    await dispute(verifier)
    now = await verifier.move(STEP)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_not_open"
    await verifier.passed((await verifier.challenge()).id, app.code(now))


async def test_what_was_shown_by_a_factor_changes_nothing_any_more(verifier: Verifier) -> None:
    """A code that was phished a moment ago is good for ten minutes of changes, and the owner has just heard of it."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    await dispute(verifier)
    assert (await verifier.ask(RegenerateBackupCodes(proof=proof))).code == "proof_required"
    adding = StartEnrolment(factor_type=FactorType.SMS, proof=proof, destination=contact("other-phone"))
    assert (await verifier.ask(adding)).code == "proof_required"
    await verifier.data(RegenerateBackupCodes(proof=await verifier.proof(app)))


async def test_a_mailbox_that_was_proved_before_binds_no_factor(verifier: Verifier) -> None:
    """The thief reads the mail, typed its code, and is about to set up a phone of their own."""
    await verifier.policy(Policy(required=Requirement(scope=Scope.ALL), grace_days=None, enrolment_proof=True))
    challenge = await verifier.challenge()
    await verifier.data(SendCode(challenge_id=challenge.id))
    await verifier.passed(challenge.id, (await verifier.codes())[-1])
    await dispute(verifier)
    assert (
        await verifier.ask(StartEnrolment(factor_type=FactorType.TOTP, proof=challenge.id))
    ).code == "proof_required"


async def test_what_was_passed_on_a_hosted_page_is_not_redeemed_any_more(verifier: Verifier) -> None:
    """Sessions that were begun before are to end; one that begins a moment later would go on."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge, code = await verifier.challenge(), "Zm9yLXRoaXMtdGVzdC1vbmx5LW5vdGhpbmctZWxzZSE"
    digest = hashlib.sha256(code.encode()).hexdigest()
    await verifier.passed(challenge.id, app.code(now), redeem_digest=digest, context=FIREFOX)
    await dispute(verifier)
    typed = verifier.typed(challenge.id, code, "redeem_code")
    assert (await verifier.ask(RedeemChallenge(challenge_id=challenge.id, code=typed), None)).code == "not_redeemable"


async def test_an_admins_step_up_stands_behind_no_word_any_more(verifier: Verifier) -> None:
    """Somebody else was at work in the admin's name, and goes on to open other people's accounts."""
    await verifier.enrol()
    await verifier.account(BOB, role="admin")
    bob = await verifier.enrol(BOB)
    proof = await verifier.proof(bob, BOB)
    make = MakeRecoveryCode(reason="new phone", acting=Acting(actor=BOB, proof=proof))
    await verifier.data(make)
    await dispute(verifier, BOB)
    assert (await verifier.ask(make)).code == "actor_proof_required"
