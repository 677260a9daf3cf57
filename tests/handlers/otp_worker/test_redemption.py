"""A challenge passed on a hosted page: redeemed once, by the browser that passed it, within a minute."""

import hashlib

import jwt

from shared.contracts import events
from shared.contracts.commands import RedeemChallenge, RenewRedemption, RevokeFactor
from shared.contracts.replies import LoginAnswer, RedeemAnswer, VerifyAnswer
from shared.contracts.types import ChallengeId, Decision, Method, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, FIREFOX, STEP, Answered, Authenticator, OpenVerifier, Verifier
from tests.support.tenants import new_tenant

CODE = "Zm9yLXRoaXMtdGVzdC1vbmx5LW5vdGhpbmctZWxzZSE"
OTHER = "YW5vdGhlci1jb2RlLW9mLWFub3RoZXItYnJvd3Nlcg"
MINUTE = "60 seconds"


async def _passed(
    verifier: Verifier, app: Authenticator, *, purpose: Purpose = Purpose.SIGN_IN, **more: object
) -> tuple[ChallengeId, VerifyAnswer]:
    """A challenge that a browser passed with the app."""
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge(purpose=purpose)
    fields = {"redeem_digest": _digest(CODE), "context": FIREFOX, **more}
    return challenge.id, await verifier.passed(challenge.id, app.code(now), factor_id=app.factor_id, **fields)


async def test_the_browser_gets_no_assertion_and_the_helpdesk_gets_it_once(verifier: Verifier) -> None:
    """What lets somebody in goes from server to server; the code that names it opens nothing twice."""
    app = await verifier.enrol()
    challenge_id, passed = await _passed(verifier, app)
    assert (passed.assertion, passed.method) == (None, Method.TOTP)
    answer = await _redeemed(verifier, challenge_id)
    claims = jwt.decode(answer.assertion, options={"verify_signature": False})
    assert (claims["sub"], claims["nonce"], claims["aud"]) == (ANN, str(challenge_id), str(verifier.tenant_id))
    assert (answer.account_id, answer.purpose, answer.method, answer.leads_to) == (ANN, "sign_in", "totp", None)
    assert (await _redeem(verifier, challenge_id)).code == "not_redeemable"
    [said] = await verifier.said(events.ChallengeRedeemed)
    assert (said.account_id, said.data.challenge_id, said.data.purpose) == (ANN, challenge_id, Purpose.SIGN_IN)


async def test_two_at_once_redeem_once(verifier: Verifier) -> None:
    """Two workers of the helpdesk with the same address: one of them signs the person in."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    codes = await verifier.at_once(*[lambda: _redeem(verifier, challenge_id)] * 2)
    assert sorted(str(each.code) for each in codes) == ["None", "not_redeemable"]
    assert len(await verifier.said(events.ChallengeRedeemed)) == 1


async def test_whatever_is_wrong_is_one_refusal(verifier: Verifier) -> None:
    """A refusal that told a late code from a wrong one would tell a guesser that it was near."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    other, unknown = (await verifier.challenge(purpose=Purpose.STEP_UP)).id, ChallengeId(new_id())
    wrong = {
        "wrong code": (challenge_id, verifier.typed(challenge_id, OTHER, "redeem_code")),
        "another challenge": (other, verifier.typed(other, CODE, "redeem_code")),
        "no such challenge": (unknown, verifier.typed(unknown, CODE, "redeem_code")),
        "not sealed for it": (challenge_id, verifier.typed(challenge_id, CODE)),
    }
    for asked, code in wrong.values():
        assert (await verifier.ask(RedeemChallenge(challenge_id=asked, code=code), None)).code == "not_redeemable"
    await _let_pass(verifier, challenge_id, MINUTE)
    assert (await _redeem(verifier, challenge_id)).code == "not_redeemable"
    assert await verifier.said(events.ChallengeRedeemed) == []


async def test_another_tenant_redeems_nothing(verifier: Verifier, open_verifier: OpenVerifier, dsn: str) -> None:
    """A code that leaked from one helpdesk's log is worth nothing at another."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    other = open_verifier(await new_tenant(dsn))
    assert (await _redeem(other, challenge_id)).code == "not_redeemable"
    await _redeemed(verifier, challenge_id)


async def test_what_was_passed_through_the_api_is_not_redeemed(verifier: Verifier) -> None:
    """Its assertion was given already; no code belongs to it, the empty one included."""
    app = await verifier.enrol()
    challenge_id, passed = await _passed(verifier, app, redeem_digest=None)
    assert passed.assertion is not None
    assert (await _redeem(verifier, challenge_id)).code == "not_redeemable"
    assert not await _renewed(verifier, challenge_id, CODE)


async def test_the_browser_that_passed_may_ask_for_another_minute_and_no_other(verifier: Verifier) -> None:
    """A lost redirect must not cost a second code; a thief who waits at the same challenge must not get the first."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    await _let_pass(verifier, challenge_id, MINUTE)
    assert not await _renewed(verifier, challenge_id, OTHER)
    assert (await _redeem(verifier, challenge_id)).code == "not_redeemable"
    assert await _renewed(verifier, challenge_id, CODE)
    await _redeemed(verifier, challenge_id)
    assert not await _renewed(verifier, challenge_id, CODE)


async def test_ten_minutes_after_the_success_nothing_is_renewed(verifier: Verifier) -> None:
    """A browser left open over lunch is somebody else's by then."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    await verifier.move(600)
    assert not await _renewed(verifier, challenge_id, CODE)


async def test_a_factor_that_is_gone_meanwhile_lets_nobody_in(verifier: Verifier) -> None:
    """An admin's reset within that minute means: not with this phone."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    await verifier.data(RevokeFactor(factor_id=app.factor_id, proof=challenge_id))
    assert (await _redeem(verifier, challenge_id)).code == "not_redeemable"


async def test_a_trust_that_was_asked_for_comes_with_the_assertion(verifier: Verifier) -> None:
    """The helpdesk keeps the token in its own cookie; on our page it would be of no use to anybody."""
    app = await verifier.enrol()
    challenge_id, passed = await _passed(verifier, app, trust_device=True)
    assert passed.trusted_device is None
    assert await verifier.said(events.TrustedDeviceAdded) == []
    answer = await _redeemed(verifier, challenge_id)
    assert answer.trusted_device is not None
    token = verifier.typed(ANN, answer.trusted_device.token, "trusted_device_token")
    login: LoginAnswer = await verifier.login(trusted_device_token=token)
    assert (login.decision, login.reason) == (Decision.ALLOW, "trusted_device")


async def test_a_step_up_earns_no_trust_and_stays_a_proof_after_it_was_redeemed(verifier: Verifier) -> None:
    """A change on the security page takes the proof, whichever way the helpdesk learnt of it."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app, purpose=Purpose.STEP_UP, trust_device=True)
    answer = await _redeemed(verifier, challenge_id)
    assert (answer.purpose, answer.trusted_device) == (Purpose.STEP_UP, None)
    assert (await verifier.start(proof=challenge_id)).totp is not None


async def test_a_backup_code_is_redeemed_and_leads_to_the_security_page(verifier: Verifier) -> None:
    """Who came in on paper has lost something: the helpdesk is told to say so."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    passed = await verifier.passed(
        challenge.id, app.backup_codes[0], kind="backup_code", redeem_digest=_digest(CODE), context=FIREFOX
    )
    assert (passed.assertion, passed.backup_codes_left) == (None, 9)
    answer = await _redeemed(verifier, challenge.id)
    assert (answer.method, answer.leads_to) == (Method.BACKUP_CODE, "security")


async def test_the_right_code_again_after_redemption_is_known_as_used(verifier: Verifier) -> None:
    """The back button is no attack: it is counted nowhere."""
    app = await verifier.enrol()
    challenge_id, _ = await _passed(verifier, app)
    await _redeemed(verifier, challenge_id)
    again = await verifier.verify(challenge_id, app.code(await verifier.now()), factor_id=app.factor_id)
    assert again.code == "code_already_used"


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


async def _redeem(verifier: Verifier, challenge_id: ChallengeId) -> Answered:
    code = verifier.typed(challenge_id, CODE, "redeem_code")
    return await verifier.ask(RedeemChallenge(challenge_id=challenge_id, code=code), None)


async def _redeemed(verifier: Verifier, challenge_id: ChallengeId) -> RedeemAnswer:
    answered = await _redeem(verifier, challenge_id)
    assert answered.refusal is None, answered.refusal
    return RedeemAnswer.model_validate(answered.data)


async def _renewed(verifier: Verifier, challenge_id: ChallengeId, code: str) -> bool:
    asked = RenewRedemption(challenge_id=challenge_id, redeem_digest=_digest(code))
    return bool((await verifier.data(asked, None))["is_redeemable"])


async def _let_pass(verifier: Verifier, challenge_id: ChallengeId, interval: str) -> None:
    """System time cannot be moved; the row can."""
    await verifier.admin.execute(
        """
        UPDATE otp.challenges SET redeemable_until = redeemable_until - $3::text::interval
         WHERE tenant_id = $1 AND challenge_id = $2
        """,
        verifier.tenant_id,
        challenge_id,
        interval,
    )
