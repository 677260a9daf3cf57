"""Enrolments: a factor counts once a code of it was proved, and only where the account may add one."""

import asyncio
import datetime as dt

import pyotp

from shared.contracts import commands, events
from shared.contracts.commands import SendEnrolmentCode, StartEnrolment
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import FactorType, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, DAY, STEP, Verifier, contact

EVERYBODY = Policy(required=Requirement(scope=Scope.ALL), grace_days=None)


async def test_the_first_factor_brings_ten_backup_codes_and_is_told_on_every_channel(verifier: Verifier) -> None:
    """Whoever adds a factor to somebody else's account is heard of at once."""
    app = await verifier.enrol()
    assert len(set(app.backup_codes)) == 10
    assert app.assertion is None  # no login was waiting for it
    [confirmed] = await verifier.said(events.FactorConfirmed)
    assert (confirmed.data.factor_id, confirmed.data.is_first) == (app.factor_id, True)
    assert await verifier.notices() == [("factor_added", "k1.ann-mail"), ("factor_added", "k1.ann-phone")]
    assert [each.data.count for each in await verifier.said(events.BackupCodesGenerated)] == [10]


async def test_the_uri_and_the_key_say_the_same(verifier: Verifier) -> None:
    """Whoever cannot scan types the key, and gets the same codes."""
    started = await verifier.start()
    assert started.totp is not None
    parsed = pyotp.parse_uri(started.totp.uri)
    assert (parsed.secret, parsed.issuer, parsed.name) == (started.totp.seed, "Acme Helpdesk", ANN)
    assert len(parsed.byte_secret()) == 20


async def test_a_seed_rests_sealed(verifier: Verifier) -> None:
    """A copy of the table is worth nothing without the ring `rest`."""
    started = await verifier.start()
    assert started.totp is not None
    seed = pyotp.TOTP(started.totp.seed).byte_secret()
    stored = await verifier.admin.fetchval("SELECT seed FROM otp.factors WHERE factor_id = $1", started.factor.id)
    assert seed not in stored


async def test_a_wrong_code_does_not_activate_and_costs_no_throttle(verifier: Verifier) -> None:
    """Five tries at the set-up; the throttle is for those who guess at a factor that guards."""
    started = await verifier.start()
    assert started.totp is not None
    right = pyotp.TOTP(started.totp.seed)
    now = await verifier.now()
    near = {right.at(now, counter_offset=steps) for steps in range(-30, 31)}
    wrong = [f"{number:06}" for number in range(80) if f"{number:06}" not in near]
    answers = [await verifier.confirm(started.factor.id, code) for code in wrong[:6]]
    assert [answer.code for answer in answers] == ["code_wrong"] * 5 + ["challenge_exhausted"]
    again = await verifier.enrol()
    assert again.backup_codes


async def test_a_pending_factor_expires_after_fifteen_minutes(verifier: Verifier) -> None:
    """A QR code on a screenshot must not be a key for later."""
    started = await verifier.start()
    assert started.totp is not None
    now = await verifier.move(15 * 60)
    answered = await verifier.confirm(started.factor.id, pyotp.TOTP(started.totp.seed).at(now))
    assert answered.code == "challenge_expired"


async def test_starting_again_ends_the_first_attempt(verifier: Verifier) -> None:
    """Of two QR codes only the one that is shown counts."""
    first, second = await verifier.start(), await verifier.start()
    assert first.totp is not None
    code = pyotp.TOTP(first.totp.seed).at(await verifier.now())
    assert (await verifier.confirm(first.factor.id, code)).code == "factor_not_pending"
    assert [each.data.factor_id for each in await verifier.said(events.FactorExpired)] == [first.factor.id]
    assert second.factor.id != first.factor.id


async def test_of_two_confirmations_at_once_one_counts(verifier: Verifier) -> None:
    """Otherwise two sets of backup codes are shown and one of them is void."""
    started = await verifier.start()
    assert started.totp is not None
    code = pyotp.TOTP(started.totp.seed).at(await verifier.now())
    answers = await asyncio.gather(*(verifier.confirm(started.factor.id, code) for _ in range(3)))
    assert sorted(str(answer.code) for answer in answers) == ["None", "factor_not_pending", "factor_not_pending"]


async def test_what_was_begun_on_a_password_alone_ends_when_the_first_factor_is_there(verifier: Verifier) -> None:
    """A thief's phone, waiting to be confirmed, must not join the owner's authenticator a minute later."""
    begun = await verifier.start(FactorType.SMS, destination=contact("thief-phone"))
    [code] = await verifier.codes()
    await verifier.enrol()
    assert (await verifier.confirm(begun.factor.id, code)).code == "factor_not_pending"
    assert [each.data.factor_id for each in await verifier.said(events.FactorExpired)] == [begun.factor.id]
    assert [each.data.reason for each in await verifier.said(events.ChallengeCancelled)] == ["factor_confirmed"]


async def test_what_was_begun_on_a_proof_outlives_another_confirmation(verifier: Verifier) -> None:
    """Two devices are set up side by side after one step-up."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    begun = await verifier.start(FactorType.SMS, proof=proof)
    [code] = await verifier.codes()
    await verifier.enrol(proof=proof)
    assert (await verifier.confirm(begun.factor.id, code)).code is None


async def test_an_account_that_was_switched_off_meanwhile_confirms_nothing(verifier: Verifier) -> None:
    """Inside a login the confirmation is an assertion: who has left must not come in by it."""
    await verifier.policy(EVERYBODY)
    challenge = await verifier.challenge()
    started = await verifier.start(proof=challenge.id)
    assert started.totp is not None
    await verifier.account(is_active=False)
    code = pyotp.TOTP(started.totp.seed).at(await verifier.now())
    assert (await verifier.confirm(started.factor.id, code)).code == "account_inactive"


async def test_another_accounts_factor_is_not_there(verifier: Verifier) -> None:
    """The path names the account; an id of somebody else's factor is 404."""
    await verifier.account("bob")
    started = await verifier.start()
    assert (await verifier.confirm(started.factor.id, "123456", "bob")).code == "factor_not_found"


async def test_enrolled_inside_a_login_the_confirmation_is_its_proof(verifier: Verifier) -> None:
    """Who must enrol has just proved a code: asking for another one right away teaches nothing."""
    await verifier.policy(EVERYBODY)
    challenge = await verifier.challenge()
    app = await verifier.enrol(proof=challenge.id)
    assert app.assertion is not None
    verified = [each.data for each in await verifier.said(events.ChallengeVerified)]
    assert challenge.id in {each.challenge_id for each in verified}
    again = await verifier.ask(StartEnrolment(factor_type=FactorType.TOTP, proof=challenge.id))
    assert again.code is None  # within ten minutes it is as good as a step-up


async def test_a_login_that_is_over_is_not_completed(verifier: Verifier) -> None:
    """The factor counts; the login must be begun anew."""
    await verifier.policy(EVERYBODY)
    challenge = await verifier.challenge()
    await verifier.move(9 * 60)
    started = await verifier.start(proof=challenge.id)
    assert started.totp is not None
    now = await verifier.move(2 * 60)
    answered = await verifier.confirm(started.factor.id, pyotp.TOTP(started.totp.seed).at(now))
    assert answered.data is not None
    assert answered.data["assertion"] is None


async def test_a_second_factor_needs_a_fresh_one(verifier: Verifier) -> None:
    """A session that somebody left open must not be enough to add the thief's phone."""
    app = await verifier.enrol()
    asked = StartEnrolment(factor_type=FactorType.TOTP)
    assert (await verifier.ask(asked)).code == "proof_required"
    proof = await verifier.proof(app)
    assert (await verifier.ask(asked.model_copy(update={"proof": proof}))).code is None
    await verifier.move(600)
    assert (await verifier.ask(asked.model_copy(update={"proof": proof}))).code == "proof_required"


async def test_an_open_challenge_or_another_accounts_is_no_proof(verifier: Verifier) -> None:
    """Only what this account has passed counts."""
    await verifier.account("bob")
    await verifier.enrol()
    bobs = await verifier.enrol("bob")
    of_bob = await verifier.proof(bobs, "bob")
    still_open = await verifier.challenge()
    for proof in (of_bob, still_open.id, new_id()):
        asked = StartEnrolment.model_validate({"factor_type": FactorType.TOTP, "proof": proof})
        assert (await verifier.ask(asked)).code == "proof_required"


async def test_after_a_recovery_the_mailbox_must_be_proved_first(verifier: Verifier) -> None:
    """The account had a factor: its password alone, perhaps stolen, must not bind a new one."""
    await verifier.policy(EVERYBODY)
    await verifier.enrol()
    await verifier.move(60)
    now = await verifier.now()
    await verifier.hear(commands.ExecuteRecovery.model_validate({"recovery_id": new_id(), "requested_at": now}))
    asked = StartEnrolment(factor_type=FactorType.TOTP)
    refused = await verifier.ask(asked)
    assert refused.code == "proof_required"
    assert refused.refusal is not None
    assert "purpose `enrolment`" in (refused.refusal.detail or "")  # no factor is left that could verify one
    challenge = await verifier.challenge()
    assert [factor.factor_id for factor in challenge.factors] == [None]
    with_proof = asked.model_copy(update={"proof": challenge.id})
    assert (await verifier.ask(with_proof)).code == "proof_required"
    await verifier.data(commands.SendCode(challenge_id=challenge.id))
    proved = await verifier.passed(challenge.id, (await verifier.codes())[-1])
    assert proved.assertion is None  # the mailbox is no second factor and opens no session
    app = await verifier.enrol(proof=challenge.id)
    assert app.assertion is not None
    assert len(await verifier.said(commands.ProveMailbox)) == 1


async def test_guesses_at_the_mailbox_before_an_enrolment_count_like_those_at_a_factor(verifier: Verifier) -> None:
    """There the mailed code is all that stands between a stolen password and the thief's own phone."""
    await verifier.policy(Policy(required=Requirement(scope=Scope.ALL), grace_days=None, enrolment_proof=True))
    challenge = await verifier.challenge()
    await verifier.data(commands.SendCode(challenge_id=challenge.id))
    right = int((await verifier.codes())[-1])
    wrong = [f"{(right + number) % 1_000_000:06}" for number in range(1, 6)]
    assert [(await verifier.verify(challenge.id, code)).code for code in wrong] == ["code_wrong"] * 5
    assert ("failed_attempts", "k1.ann-mail") in await verifier.notices()
    other = await verifier.challenge()
    await verifier.data(commands.SendCode(challenge_id=other.id))
    refused = await verifier.verify(other.id, (await verifier.codes())[-1])
    assert (refused.code, refused.refusal and refused.refusal.retry_after_seconds) == ("throttled", 30)
    await verifier.move(30)
    await verifier.passed(other.id, (await verifier.codes())[-1])


async def test_without_a_mailbox_there_is_nothing_to_prove(verifier: Verifier) -> None:
    """An address that nobody verified would be whatever the thief has put there."""
    await verifier.account(email_verified=False)
    await verifier.policy(Policy(enrolment_proof=True))
    assert (await verifier.ask(StartEnrolment(factor_type=FactorType.TOTP))).code == "no_mailbox"


async def test_a_locked_out_account_may_not_enrol_unless_the_policy_lets_it(verifier: Verifier) -> None:
    """Locked out means locked out: an admin opens."""
    policy = Policy(required=Requirement(scope=Scope.ALL), grace_days=7)
    await verifier.policy(policy, required_since=await verifier.now())
    await verifier.move(8 * DAY)
    assert (await verifier.ask(StartEnrolment(factor_type=FactorType.TOTP))).code == "proof_required"


async def test_a_method_that_is_off_cannot_be_enrolled(verifier: Verifier) -> None:
    """Each method on or off for the tenant."""
    await verifier.policy(Policy(methods=(FactorType.TOTP,)))
    assert (await verifier.ask(StartEnrolment(factor_type=FactorType.SMS))).code == "method_not_allowed"


async def test_an_email_factor_on_an_unverified_address_is_refused(verifier: Verifier) -> None:
    """Row 8: the address must be verified before it guards anything; a code that came back there verifies it."""
    await verifier.account(email_verified=False)
    asked = StartEnrolment(factor_type=FactorType.EMAIL)
    assert (await verifier.ask(asked)).code == "email_not_verified"
    await verifier.account(email_verified=False, email_proved_at=await verifier.now())
    assert (await verifier.ask(asked)).code is None


async def test_an_unverified_address_that_the_person_names_is_proved_by_the_mailed_code(verifier: Verifier) -> None:
    """Row 8, the way on: else nobody whose helpdesk verifies no address could ever use mail."""
    await verifier.account(email_verified=False)
    own = contact(f"{ANN}-mail")
    started = await verifier.start(FactorType.EMAIL, destination=own)
    [code] = await verifier.codes()
    assert (await verifier.confirm(started.factor.id, code)).code is None
    [proved] = await verifier.said(commands.ProveMailbox)
    assert proved.data.digest == own.digest


async def test_a_phone_is_proved_by_the_code_sent_to_it(verifier: Verifier) -> None:
    """The code leaves at once, sealed to the notifier, to the number that was named."""
    number = contact("other-phone")
    started = await verifier.start(FactorType.SMS, destination=number)
    assert (started.factor.destination, started.totp) == (number.masked, None)
    [sent] = await verifier.said(commands.SendSms)
    assert sent.data.destination == number
    assert (sent.data.params["purpose"], sent.data.factor_id) == ("enrolment", started.factor.id)
    [code] = await verifier.codes()
    assert code not in sent.data.model_dump_json()
    answered = await verifier.confirm(started.factor.id, code)
    assert answered.code is None
    assert ("factor_added", "k1.other-phone") in await verifier.notices()


async def test_the_code_of_an_enrolment_can_be_sent_again_after_a_while(verifier: Verifier) -> None:
    """Thirty seconds, then a minute, then two; both codes count."""
    started = await verifier.start(FactorType.SMS)
    again = SendEnrolmentCode(factor_id=started.factor.id)
    soon = await verifier.ask(again)
    assert (soon.code, soon.refusal and soon.refusal.retry_after_seconds) == ("too_soon", 30)
    await verifier.move(30)
    assert (await verifier.ask(again)).code is None
    first, _ = await verifier.codes()
    assert (await verifier.confirm(started.factor.id, first)).code is None


async def test_a_replacement_takes_the_old_ones_place_in_one_commit(verifier: Verifier) -> None:
    """A required account never stands without a factor while the phone is changed."""
    await verifier.policy(EVERYBODY)
    app = await verifier.enrol()
    await verifier.move(STEP)
    new = await verifier.enrol(proof=await verifier.proof(app), replaces=app.factor_id)
    assert new.backup_codes == ()
    [revoked] = await verifier.said(events.FactorRevoked)
    assert (revoked.data.factor_id, revoked.data.reason, revoked.data.is_last) == (app.factor_id, "replaced", False)
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge()
    assert [factor.factor_id for factor in challenge.factors] == [new.factor_id]
    await verifier.passed(challenge.id, new.code(now))
    seed = await verifier.admin.fetchval("SELECT seed FROM otp.factors WHERE factor_id = $1", app.factor_id)
    assert seed is None


async def test_eleven_active_factors_are_one_too_many(verifier: Verifier) -> None:
    """Ten devices are a person's; more are somebody's script."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    for number in range(9):
        await verifier.enrol_by_code(FactorType.SMS, proof=proof, destination=contact(f"phone-{number}"))
    asked = StartEnrolment.model_validate({"factor_type": FactorType.TOTP, "proof": proof})
    assert (await verifier.ask(asked)).code == "too_many_factors"
    replacing = asked.model_copy(update={"replaces": app.factor_id})
    assert (await verifier.ask(replacing)).code is None


async def test_a_code_to_the_accounts_own_mailbox_proves_it(verifier: Verifier) -> None:
    """Policy hears of it once: from then on the address may carry a recovery."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    [told] = await verifier.said(commands.ProveMailbox)
    assert told.data.digest == contact("ann-mail").digest
    await verifier.account(email_proved_at=await verifier.now())
    await verifier.move(60)
    challenge = await verifier.challenge()
    await verifier.passed(challenge.id, (await verifier.codes())[-1])
    assert len(await verifier.said(commands.ProveMailbox)) == 1


async def test_a_code_to_another_address_proves_nothing_of_the_account(verifier: Verifier) -> None:
    """A factor's destination and the account's address are two things."""
    await verifier.enrol_by_code(FactorType.EMAIL, destination=contact("elsewhere"))
    assert await verifier.said(commands.ProveMailbox) == []


async def test_an_enrolments_own_challenge_is_confirmed_and_not_verified(verifier: Verifier) -> None:
    """Otherwise the code of a pending phone would be an assertion that somebody signed in."""
    await verifier.start(FactorType.SMS)
    [issued] = await verifier.said(events.ChallengeIssued)
    assert issued.data.purpose == Purpose.ENROLMENT
    [code] = await verifier.codes()
    assert (await verifier.verify(issued.data.challenge_id, code)).code == "factor_not_offered"


async def test_an_enrolment_lives_as_long_as_it_says(verifier: Verifier) -> None:
    """Fifteen minutes, in the answer and in the row."""
    started = await verifier.start()
    assert started.factor.expires_at is not None
    assert started.factor.expires_at - started.factor.created_at == dt.timedelta(minutes=15)


async def test_a_start_that_is_refused_leaves_the_one_before_it_alone(verifier: Verifier) -> None:
    """What was not begun must not end what was: the code of the first SMS still counts."""
    first = await verifier.start(FactorType.SMS)
    await verifier.admin.execute("UPDATE otp.accounts SET day_sms = 10 WHERE tenant_id = $1", verifier.tenant_id)
    assert (await verifier.ask(StartEnrolment(factor_type=FactorType.SMS))).code == "too_many_sends"
    assert (await verifier.confirm(first.factor.id, (await verifier.codes())[0])).code is None
