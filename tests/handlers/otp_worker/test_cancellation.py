"""An account comes under SSO, or is deactivated: what is under way ends, what is enrolled stays."""

from shared.contracts import events
from shared.contracts.commands import CancelChallenges
from shared.contracts.types import FactorType
from tests.handlers.otp_worker.conftest import STEP, Verifier


async def test_open_challenges_end_and_factors_lie_dormant(verifier: Verifier) -> None:
    """A code typed afterwards opens nothing; the factor is there again when the account comes back."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    await verifier.hear(CancelChallenges(reason="sso"))
    [cancelled] = await verifier.said(events.ChallengeCancelled)
    assert (cancelled.data.challenge_id, cancelled.data.reason) == (challenge.id, "sso")
    now = await verifier.move(STEP)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_not_open"
    await verifier.passed((await verifier.challenge()).id, app.code(now))


async def test_an_enrolment_under_way_ends(verifier: Verifier) -> None:
    """It was begun by somebody who signs in otherwise now; told again, there is nothing more to end."""
    await verifier.account()
    started = await verifier.start(FactorType.TOTP)
    for _ in range(2):
        await verifier.hear(CancelChallenges(reason="sso"))
    assert (await verifier.confirm(started.factor.id, "123456")).code == "factor_not_pending"
    assert len(await verifier.said(events.FactorExpired)) == 1
    await verifier.start(FactorType.TOTP)


async def test_an_account_that_is_not_there_is_no_fault(verifier: Verifier) -> None:
    """It may have been erased meanwhile; nobody has to look at a dead letter for that."""
    await verifier.hear(CancelChallenges(reason="sso"), "nobody")
