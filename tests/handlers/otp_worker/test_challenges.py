"""An open challenge: codes are sent for it within limits, it is looked at and ended."""

import pytest

from shared.contracts import commands, events
from shared.contracts.commands import CancelChallenge, ReadChallenge, SendCode
from shared.contracts.replies import ChallengeView
from shared.contracts.types import ChallengeId, ChallengeState, Context, FactorId, FactorType, Purpose
from shared.crypto.sealing import BrokenSeal, secret_param_place, unseal
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Answered, Verifier


async def test_sends_are_spaced_and_four_in_all(verifier: Verifier) -> None:
    """30, 60, 120 s: an SMS costs money, and a mailbox full of codes hides the warning among them."""
    phone = await verifier.enrol_by_code(FactorType.SMS)
    await verifier.move(60)
    challenge = await verifier.challenge()  # the first one leaves with it
    for wait in (30, 60, 120):
        early = await _send(verifier, challenge.id, phone)
        assert (early.code, early.refusal and early.refusal.retry_after_seconds) == ("too_soon", wait)
        await verifier.move(wait)
        assert (await _send(verifier, challenge.id, phone)).code is None
    view = await _read(verifier, challenge.id)
    assert (view.sends_left, view.next_send_at) == (0, None)
    refused = await _send(verifier, challenge.id, phone)
    assert refused.code == "too_many_sends"
    assert refused.refusal is not None
    assert "start another login" in (refused.refusal.detail or "")
    await verifier.move(refused.refusal.retry_after_seconds or 0)
    assert (await verifier.challenge()).sends_left == 3  # of another one, whose first code left with it


async def test_the_newest_three_codes_are_alive(verifier: Verifier) -> None:
    """A late SMS may be the one that is typed; a fourth chance for a guesser it is not."""
    phone = await verifier.enrol_by_code(FactorType.SMS)
    await verifier.move(60)
    challenge = await verifier.challenge()
    for wait in (30, 60, 120):
        await verifier.move(wait)
        await _send(verifier, challenge.id, phone)
    _, first, second, *_ = await verifier.codes()
    assert (await verifier.verify(challenge.id, first)).code == "code_wrong"
    await verifier.passed(challenge.id, second)


async def test_the_days_budget_is_the_accounts_and_not_the_challenges(verifier: Verifier) -> None:
    """Ten SMS a day: otherwise a new login is a new budget, and somebody's phone bill."""
    await verifier.enrol_by_code(FactorType.SMS)
    for _ in range(9):
        await verifier.move(601)
        assert (await verifier.challenge()).sent_to is not None
    await verifier.move(601)
    challenge = await verifier.challenge()
    assert challenge.sent_to is None
    refused = await _send(verifier, challenge.id, challenge.factors[0].factor_id)
    assert refused.code == "too_many_sends"
    assert refused.refusal is not None
    assert refused.refusal.retry_after_seconds is not None
    await verifier.move(refused.refusal.retry_after_seconds)
    assert (await verifier.challenge()).sent_to is not None


async def test_nothing_is_sent_for_an_app_or_for_what_is_not_offered(verifier: Verifier) -> None:
    """A code to a destination that the challenge does not offer would prove the wrong thing."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    of_app = await _send(verifier, challenge.id, app.factor_id)
    assert of_app.code == "factor_not_offered"
    assert of_app.refusal is not None
    assert (of_app.refusal.detail or "").startswith("An authenticator is sent nothing")
    assert (await _send(verifier, challenge.id, FactorId(new_id()))).code == "factor_not_offered"
    assert (await _send(verifier, ChallengeId(new_id()), None)).code == "challenge_not_found"


async def test_a_code_leaves_sealed_for_its_delivery_alone(verifier: Verifier) -> None:
    """Copied into another command it does not open: nobody gets a code mailed to themselves."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    sent, *_ = await verifier.said(commands.SendEmail)
    assert sent.data.code is not None
    place = secret_param_place(verifier.tenant_id, ANN, sent.data.delivery_id)
    assert len(unseal(verifier.deps.notifier, sent.data.code, place).reveal()) == 6
    with pytest.raises(BrokenSeal):
        unseal(verifier.deps.notifier, sent.data.code, secret_param_place(verifier.tenant_id, ANN, new_id()))


async def test_the_table_knows_digests_only(verifier: Verifier) -> None:
    """A million possibilities: a plain hash would be read like the code itself."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    [code] = await verifier.codes()
    rows = await verifier.admin.fetch("SELECT * FROM otp.codes WHERE tenant_id = $1", verifier.tenant_id)
    assert code not in str([dict(row) for row in rows])


async def test_a_cancelled_challenge_is_over(verifier: Verifier) -> None:
    """Cancelled twice is cancelled once; what was verified is not cancelled."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    for _ in range(2):
        view = ChallengeView.model_validate(await verifier.data(CancelChallenge(challenge_id=challenge.id)))
        assert view.state is ChallengeState.CANCELLED
    assert len(await verifier.said(events.ChallengeCancelled)) == 1
    now = await verifier.move(STEP)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_not_open"
    passed = await verifier.challenge()
    await verifier.passed(passed.id, app.code(now))
    late = await verifier.ask(CancelChallenge(challenge_id=passed.id))
    assert late.code == "challenge_not_open"
    assert (await _read(verifier, passed.id)).state is ChallengeState.VERIFIED


async def test_a_challenge_shows_how_it_stands(verifier: Verifier) -> None:
    """Attempts left while it is open; over by the clock it says so, whether the duty came by or not."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    await verifier.verify(challenge.id, app.wrong(await verifier.now()))
    assert (await _read(verifier, challenge.id)).attempts_left == 4
    await verifier.move(600)
    late = await _read(verifier, challenge.id)
    assert (late.state, late.attempts_left, late.sends_left) == (ChallengeState.EXPIRED, 0, 0)
    unknown = ReadChallenge.model_validate({"challenge_id": new_id()})
    assert (await verifier.ask(unknown)).code == "challenge_not_found"


async def test_a_throttled_account_is_sent_nothing_with_its_login(verifier: Verifier) -> None:
    """A code that could not be typed would only be a nuisance that somebody else can cause."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    await verifier.move(60)
    challenge = await verifier.challenge()
    right = (await verifier.codes())[-1]
    wrong = [f"{number:06}" for number in range(6) if f"{number:06}" != right][:5]
    for code in wrong:
        await verifier.verify(challenge.id, code)
    before = len(await verifier.codes())
    other = await verifier.challenge(context=Context(ip="198.51.100.1"), purpose=Purpose.SIGN_IN)
    assert other.sent_to is None
    assert len(await verifier.codes()) == before


async def _send(verifier: Verifier, challenge_id: ChallengeId, factor_id: FactorId | None) -> Answered:
    return await verifier.ask(SendCode(challenge_id=challenge_id, factor_id=factor_id))


async def _read(verifier: Verifier, challenge_id: ChallengeId) -> ChallengeView:
    return ChallengeView.model_validate(await verifier.data(ReadChallenge(challenge_id=challenge_id)))
