"""Typed codes: judged once, counted with their verdict, refused alike on the second way."""

import asyncio

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.otp_worker.adapters.assertions import AssertionSigner
from shared.contracts import events
from shared.contracts.types import ChallengeState, FactorType, Method, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, DAY, STEP, Authenticator, OpenVerifier, Verifier, request_key
from tests.support.tenants import new_tenant


async def test_a_right_code_passes_and_is_vouched_for(verifier: Verifier) -> None:
    """The assertion is all that a helpdesk has to believe: it names tenant, account, challenge and method."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    answer = await verifier.passed(challenge.id, app.code(now))

    assert (answer.method, answer.amr) == (Method.TOTP, ("otp", "totp"))
    signer = verifier.deps.assertions
    assert isinstance(signer, AssertionSigner)
    assert answer.assertion is not None
    key_id = jwt.get_unverified_header(answer.assertion)["kid"]
    public = Ed25519PublicKey.from_public_bytes(signer.public_keys[key_id])
    claims = jwt.decode(answer.assertion, public, algorithms=["EdDSA"], audience=str(verifier.tenant_id))
    assert (claims["iss"], claims["sub"], claims["nonce"]) == ("deskfactor", ANN, str(challenge.id))
    assert (claims["exp"] - claims["iat"], claims["acr"], claims["purpose"]) == (60, "second_factor", "sign_in")
    [verified] = [each for each in await verifier.said(events.ChallengeVerified) if each.data.purpose == "sign_in"]
    assert (verified.data.challenge_id, verified.data.factor_id) == (challenge.id, app.factor_id)


async def test_the_code_that_confirmed_the_enrolment_is_used(verifier: Verifier) -> None:
    """Who looked over the shoulder at the set-up has thirty seconds otherwise."""
    await verifier.to_the_start_of_a_step()
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    answered = await verifier.verify(challenge.id, app.code(await verifier.now()))
    assert answered.code == "code_already_used"
    assert answered.refusal is not None
    assert answered.refusal.attempts_left == 5


async def test_a_code_of_an_earlier_step_is_dead_once_a_later_one_was_accepted(verifier: Verifier) -> None:
    """A, then B, then A again: remembering only the last code would let A through."""
    app = await verifier.enrol()
    await verifier.move(STEP)
    now = await verifier.to_the_start_of_a_step()  # two steps later code A would be a wrong one
    code_a = app.code(now)
    await verifier.passed((await verifier.challenge()).id, code_a)
    now = await verifier.move(STEP)
    await verifier.passed((await verifier.challenge()).id, app.code(now))
    assert (await verifier.verify((await verifier.challenge()).id, code_a)).code == "code_already_used"


async def test_a_wrong_code_is_counted_and_the_fifth_ends_the_challenge_and_warns_the_owner(
    verifier: Verifier,
) -> None:
    """Five tries at six digits; after them somebody evidently knows the password."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    refusals = [(await verifier.verify(challenge.id, app.wrong(now, number))).refusal for number in range(5)]
    assert [(each and each.code, each and each.attempts_left) for each in refusals] == [
        ("code_wrong", left) for left in (4, 3, 2, 1, 0)
    ]
    assert refusals[-1] is not None
    assert refusals[-1].retry_after_seconds == 30
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_exhausted"
    assert len(await verifier.said(events.ChallengeExhausted)) == 1
    told = [name for name, _ in await verifier.notices()]
    assert told.count("failed_attempts") == 2  # mail and SMS


async def test_a_new_challenge_does_not_end_the_wait(verifier: Verifier) -> None:
    """Otherwise a thief with the password asks for a new challenge after every fifth guess."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    first = await verifier.challenge()
    for number in range(1, 6):
        await verifier.verify(first.id, app.wrong(now, number))
    second = await verifier.challenge()
    assert second.id != first.id
    answered = await verifier.verify(second.id, app.code(now))
    assert answered.code == "throttled"
    assert answered.refusal is not None
    assert answered.refusal.retry_after_seconds is not None
    assert 0 < answered.refusal.retry_after_seconds <= 30  # less what a busy machine took meanwhile
    now = await verifier.move(STEP)
    await verifier.passed(second.id, app.code(now))


async def test_twenty_failures_in_a_day_close_the_code_factors_until_it_is_over(verifier: Verifier) -> None:
    """Waiting out each delay must not add up to a free day of guessing."""
    app = await verifier.enrol()
    await _fail(verifier, app, times=20)
    await verifier.move(2 * 3600)
    challenge = await verifier.challenge()
    answered = await verifier.verify(challenge.id, app.code(await verifier.now()))
    assert answered.code == "throttled"
    assert answered.refusal is not None
    assert answered.refusal.retry_after_seconds is not None
    assert answered.refusal.retry_after_seconds > 3600
    now = await verifier.move(DAY)
    await verifier.passed((await verifier.challenge()).id, app.code(now))


async def test_a_hundred_failures_suspend_the_factor_which_still_guards(verifier: Verifier) -> None:
    """Guessing until the factor is gone must end at a closed door, not at an open one."""
    app = await verifier.enrol()
    await verifier.admin.execute(
        "UPDATE otp.accounts SET month_started_at = $2, month_failures = 99 WHERE tenant_id = $1",
        verifier.tenant_id,
        await verifier.now(),
    )
    challenge = await verifier.challenge()
    assert (await verifier.verify(challenge.id, app.wrong(await verifier.now()))).code == "code_wrong"
    [suspended] = await verifier.said(events.FactorSuspended)
    assert suspended.data.factor_id == app.factor_id
    assert "factor_suspended" in {name for name, _ in await verifier.notices()}
    await verifier.move(11 * 60)
    after = await verifier.login()
    assert after.decision == "challenge"
    assert after.challenge is not None
    assert after.challenge.factors == ()
    await verifier.passed(after.challenge.id, app.backup_codes[0], kind="backup_code")


async def test_a_phone_whose_clock_is_off_is_told_so_once_and_that_code_is_burnt(verifier: Verifier) -> None:
    """The hint helps the owner; to a guesser it would say which code to type again in two minutes."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    ahead = app.code(now, steps=4)
    answered = await verifier.verify(challenge.id, ahead)
    assert (answered.code, answered.refusal and answered.refusal.minutes_off) == ("clock_off", 2)
    assert (await verifier.verify(challenge.id, app.code(now, steps=6))).code == "code_wrong"
    await verifier.move(4 * STEP)
    assert (await verifier.verify(challenge.id, ahead)).code == "code_already_used"


async def test_of_two_equal_codes_at_once_one_wins(verifier: Verifier, open_verifier: OpenVerifier) -> None:
    """The compare-and-set is what makes a stolen code worthless once its owner was faster."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge, code = await verifier.challenge(), app.code(now)
    answers = await asyncio.gather(*(verifier.verify(challenge.id, code) for _ in range(8)))
    assert sorted(str(answer.code) for answer in answers) == ["None"] + ["code_already_used"] * 7


async def test_of_two_equal_codes_in_one_frame_one_wins(verifier: Verifier) -> None:
    """A frame is no way to have two tries counted as one."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge, code = await verifier.challenge(), app.code(now)
    answers = await verifier.ask_all([verifier.attempt(challenge.id, code) for _ in range(4)])
    assert sorted(str(answer.code) for answer in answers) == ["None"] + ["code_already_used"] * 3


async def test_of_forty_wrong_codes_at_once_five_are_judged(verifier: Verifier) -> None:
    """Forty connections are no way around the budget of attempts."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    tries = [verifier.attempt(challenge.id, app.wrong(now, number)) for number in range(1, 41)]
    frames = [tries[at : at + 10] for at in range(0, 40, 10)]
    answers = [each for frame in await asyncio.gather(*map(verifier.ask_all, frames)) for each in frame]
    assert [answer.code for answer in answers].count("code_wrong") == 5
    assert {answer.code for answer in answers} == {"code_wrong", "challenge_exhausted"}
    assert len(await verifier.said(events.ChallengeExhausted)) == 1


async def test_a_frame_of_many_accounts_is_judged_together(verifier: Verifier) -> None:
    """One transaction for all of them, and each gets the verdict of its own code."""
    apps, challenges = {}, {}
    for number in range(6):
        account_id = f"agent-{number}"
        await verifier.account(account_id)
        apps[account_id] = await verifier.enrol(account_id)
    now = await verifier.move(STEP)
    for account_id in apps:
        challenges[account_id] = await verifier.challenge(account_id)
    frame = [
        verifier.attempt(
            challenges[account_id].id,
            app.code(now) if number % 2 else app.wrong(now, 1),
            account_id=account_id,
        )
        for number, (account_id, app) in enumerate(apps.items())
    ]
    answers = await verifier.ask_all(frame)
    assert [answer.code for answer in answers] == ["code_wrong", None] * 3


async def test_the_same_key_again_gets_the_same_answer(verifier: Verifier) -> None:
    """An answer that was lost on the way is read again, not decided again."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge, key = await verifier.challenge(), request_key()
    first = await verifier.verify(challenge.id, app.code(now), key=key)
    again = await verifier.verify(challenge.id, app.code(now), key=key)
    assert first.refusal is None
    assert again == first


async def test_a_code_of_another_form_costs_no_attempt(verifier: Verifier) -> None:
    """A letter among the digits is a slip of the thumb and no guess."""
    await verifier.enrol()
    challenge = await verifier.challenge()
    answered = await verifier.verify(challenge.id, "12a456")
    assert answered.code == "code_malformed"
    assert answered.refusal is not None
    assert answered.refusal.attempts_left == 5


async def test_a_code_sealed_for_another_challenge_does_not_open(verifier: Verifier) -> None:
    """What was typed here must not be replayed there by whoever can write to the queue."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    moved = verifier.attempt(challenge.id, app.code(now))
    sealed = verifier.typed(new_id(), app.code(now))
    moved = verifier.envelope(moved.data.model_copy(update={"code": sealed}))
    [answered] = await verifier.ask_all([moved])
    assert answered.code == "code_malformed"


async def test_a_challenge_is_over_at_its_last_instant(verifier: Verifier) -> None:
    """Half-open: ten minutes and not a moment more, whether the duty that expires it came by or not."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    now = await verifier.move(600)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_expired"


async def test_another_tenants_challenge_is_not_there(verifier: Verifier, open_verifier: OpenVerifier) -> None:
    """An id is no secret; whose it is decides."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    stranger = open_verifier(await new_tenant(verifier.dsn))
    assert (await stranger.verify(challenge.id, app.code(now))).code == "challenge_not_found"


async def test_an_account_that_was_switched_off_meanwhile_does_not_pass(verifier: Verifier) -> None:
    """Between password and code an admin may have closed the account."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    await verifier.account(is_active=False)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "account_inactive"


async def test_a_factor_that_is_not_offered_is_not_judged(verifier: Verifier) -> None:
    """One try, one factor: an id that is not offered must not be tried against the others."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    answered = await verifier.verify(challenge.id, app.code(now), factor_id=new_id())
    assert answered.code == "factor_not_offered"


async def test_a_mailed_code_passes_once_and_uses_up_the_others(verifier: Verifier) -> None:
    """Up to three codes of a challenge may come late or out of order; one success ends them all."""
    factor_id = await verifier.enrol_by_code(FactorType.EMAIL)
    await verifier.move(60)
    challenge = await verifier.challenge()
    assert challenge.sent_to == factor_id
    code = (await verifier.codes())[-1]
    answer = await verifier.passed(challenge.id, code)
    assert (answer.method, answer.amr) == (Method.EMAIL, ("otp", "email"))
    assert (await verifier.verify(challenge.id, code)).code == "code_already_used"


async def test_a_mailed_code_of_another_challenge_is_wrong(verifier: Verifier) -> None:
    """Digests are bound to the challenge: a code cannot be carried over to the thief's own login."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    await verifier.move(60)
    await verifier.challenge()
    code = (await verifier.codes())[-1]
    other = await verifier.challenge(purpose=Purpose.STEP_UP)
    assert (await verifier.verify(other.id, code)).code == "code_wrong"


@pytest.mark.parametrize("state", [ChallengeState.CANCELLED, ChallengeState.REDEEMED])
async def test_what_has_ended_stays_ended(verifier: Verifier, state: ChallengeState) -> None:
    """Final states stay final."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    verified = {"verified_at": now, "verified_by": "totp"} if state is ChallengeState.REDEEMED else {}
    await verifier.admin.execute(
        """
        UPDATE otp.challenges SET state = $2, ended_at = $3, verified_at = $4, verified_by = $5 WHERE challenge_id = $1
        """,
        challenge.id,
        state.value,
        now,
        verified.get("verified_at"),
        verified.get("verified_by"),
    )
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_not_open"


async def _fail(verifier: Verifier, app: Authenticator, times: int) -> None:
    """That many counted failures, waiting out each delay."""
    counted = 0
    while counted < times:
        now = await verifier.move(3600)
        challenge = await verifier.challenge()
        answered = await verifier.verify(challenge.id, app.wrong(now, counted))
        counted += answered.code == "code_wrong"
