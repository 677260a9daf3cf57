"""Trusted devices: they stand in for the code at a sign-in, for as long as what they were given under holds."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from shared.contracts import commands, events
from shared.contracts.commands import RevokeTrustedDevices, StartLogin
from shared.contracts.policy import Policy
from shared.contracts.replies import LoginAnswer, TrustedDeviceToken
from shared.contracts.types import (
    Channel,
    Decision,
    DeliveryId,
    FactorState,
    FactorType,
    FirstFactor,
    FirstFactorMethod,
    Purpose,
    RecoveryId,
)
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, DAY, FIREFOX, STEP, Authenticator, Verifier


async def test_a_trusted_device_passes_and_the_assertion_says_by_what(verifier: Verifier) -> None:
    """The helpdesk decides what a trusted device may open; it must be told."""
    _, trusted = await _trusting(verifier)
    answer = await _login(verifier, trusted)
    assert (answer.decision, answer.reason, answer.challenge) == (Decision.ALLOW, "trusted_device", None)
    assert answer.assertion is not None
    claims = jwt.decode(answer.assertion, options={"verify_signature": False})
    assert (claims["amr"], claims["acr"]) == (["trusted_device"], "trusted_device")
    view = await verifier.security()
    assert [(device.id, device.name) for device in view.trusted_devices] == [(trusted.id, "Firefox on Windows")]
    assert view.trusted_devices[0].last_used_at is not None
    assert ("trusted_device_added", "k1.ann-mail") in await verifier.notices()


async def test_a_trusted_device_is_no_success_with_a_factor(verifier: Verifier) -> None:
    """It proves nothing about who sits before it: no step-up, no proof, no end of a recovery."""
    _, trusted = await _trusting(verifier)
    before = await verifier.admin.fetchval("SELECT last_success_at FROM otp.accounts WHERE account_id = $1", ANN)
    await verifier.move(60)
    await _login(verifier, trusted)
    after = await verifier.admin.fetchval("SELECT last_success_at FROM otp.accounts WHERE account_id = $1", ANN)
    assert after == before
    assert (await _login(verifier, trusted, purpose=Purpose.STEP_UP)).decision == Decision.CHALLENGE


async def test_a_token_of_another_account_or_none_of_ours_is_worth_nothing(verifier: Verifier) -> None:
    """The token is bound to the account, and guessing 256 bits is no option."""
    _, trusted = await _trusting(verifier)
    await verifier.account("bob")
    await verifier.enrol("bob")
    sealed = verifier.typed("bob", trusted.token, "trusted_device_token")
    assert (await verifier.login("bob", trusted_device_token=sealed)).decision == Decision.CHALLENGE
    other = TrustedDeviceToken(id=trusted.id, token="made-up", expires_at=trusted.expires_at)
    assert (await _login(verifier, other)).decision == Decision.CHALLENGE


async def test_a_token_vouches_for_the_login_that_brought_it_and_for_no_other(verifier: Verifier) -> None:
    """A thief with the password signs in at the same moment as the owner: both may travel in one frame."""
    _, trusted = await _trusting(verifier)
    password = FirstFactor(method=FirstFactorMethod.PASSWORD)
    token = verifier.typed(ANN, trusted.token, "trusted_device_token")
    thiefs = verifier.envelope(StartLogin(first_factor=password))
    owners = verifier.envelope(StartLogin(first_factor=password, context=FIREFOX, trusted_device_token=token))
    for frame, decisions in (((thiefs, owners), ["challenge", "allow"]), ((owners, thiefs), ["allow", "challenge"])):
        answers = await verifier.ask_all(frame)
        assert [answer.data and answer.data["decision"] for answer in answers] == decisions


async def _after_thirty_days(verifier: Verifier, _: Authenticator) -> None:
    await verifier.move(30 * DAY)


async def _a_password_change(verifier: Verifier, _: Authenticator) -> None:
    changed_at = await verifier.move(60)
    await verifier.hear(events.AccountPasswordChanged(changed_at=changed_at))


async def _a_password_change_that_policy_knows(verifier: Verifier, _: Authenticator) -> None:
    await verifier.account(password_changed_at=await verifier.move(60))


async def _a_disputed_notice(verifier: Verifier, _: Authenticator) -> None:
    await verifier.hear(
        events.NoticeDisputed(
            delivery_id=DeliveryId(new_id()), notification="trusted_device_added", channel=Channel.EMAIL
        )
    )
    [factor] = (await verifier.security()).factors
    assert factor.state is FactorState.ACTIVE  # who reads the mail must not be able to disarm the account


async def _an_attack_by_recovery(verifier: Verifier, _: Authenticator) -> None:
    await verifier.hear(events.RecoveryAttack(recovery_id=RecoveryId(new_id())))


async def _a_new_factor(verifier: Verifier, app: Authenticator) -> None:
    await verifier.enrol_by_code(FactorType.SMS, proof=await verifier.proof(app))


async def _the_policy_switching_it_off(verifier: Verifier, _: Authenticator) -> None:
    await verifier.policy(Policy(trusted_device_days=0))


async def _the_policy_switching_its_method_off(verifier: Verifier, _: Authenticator) -> None:
    await verifier.policy(Policy(methods=(FactorType.SMS,)))


async def _its_owner(verifier: Verifier, _: Authenticator) -> None:
    await verifier.data(RevokeTrustedDevices())


async def _a_recovery(verifier: Verifier, _: Authenticator) -> None:
    now = await verifier.move(60)
    await verifier.hear(commands.ExecuteRecovery.model_validate({"recovery_id": new_id(), "requested_at": now}))
    await verifier.policy(Policy(enrolment_proof=False))
    await verifier.admin.execute("UPDATE otp.accounts SET first_enrolled_at = NULL WHERE account_id = $1", ANN)
    await verifier.enrol()


@pytest.mark.parametrize(
    "what",
    [
        _after_thirty_days,
        _a_password_change,
        _a_password_change_that_policy_knows,
        _a_disputed_notice,
        _an_attack_by_recovery,
        _a_new_factor,
        _the_policy_switching_it_off,
        _the_policy_switching_its_method_off,
        _its_owner,
        _a_recovery,
    ],
    ids=lambda what: what.__name__.strip("_"),
)
async def test_trust_is_ended_by(
    verifier: Verifier, what: Callable[[Verifier, Authenticator], Awaitable[None]]
) -> None:
    """What a trust was given under has changed: the stolen laptop of last week must be asked for a code."""
    app, trusted = await _trusting(verifier)
    assert (await _login(verifier, trusted)).decision == Decision.ALLOW
    await what(verifier, app)
    assert (await _login(verifier, trusted)).decision == Decision.CHALLENGE
    assert (await verifier.security()).trusted_devices == ()


async def test_a_password_change_in_the_login_itself_ends_trust(verifier: Verifier) -> None:
    """The login may be faster than the event, and the thief faster than both."""
    _, trusted = await _trusting(verifier)
    changed_at = await verifier.move(60)
    assert (await _login(verifier, trusted, password_changed_at=changed_at)).decision == Decision.CHALLENGE
    assert (await _login(verifier, trusted)).decision == Decision.CHALLENGE
    _, newer = await _trusting(verifier, again=True)
    late = await _login(verifier, newer, password_changed_at=changed_at)
    assert late.decision == Decision.ALLOW


async def test_no_trust_is_given_for_a_mailed_code(verifier: Verifier) -> None:
    """Who holds the mailbox for a minute shall not stay for a month; the code itself is not refused."""
    await verifier.enrol_by_code(FactorType.EMAIL)
    await verifier.move(60)
    challenge = await verifier.challenge()
    answer = await verifier.passed(challenge.id, (await verifier.codes())[-1], trust_device=True)
    assert answer.assertion is not None
    assert answer.trusted_device is None


async def test_no_trust_is_given_where_the_tenant_wants_none_or_for_a_step_up(verifier: Verifier) -> None:
    """Trust is earned at the door and only where the house allows it."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    step_up = await verifier.challenge(purpose=Purpose.STEP_UP)
    assert (await verifier.passed(step_up.id, app.code(now), trust_device=True)).trusted_device is None
    await verifier.policy(Policy(trusted_device_days=0))
    now = await verifier.move(STEP)
    sign_in = await verifier.challenge()
    assert (await verifier.passed(sign_in.id, app.code(now), trust_device=True)).trusted_device is None


async def test_one_device_is_revoked_and_an_unknown_one_is_not_there(verifier: Verifier) -> None:
    """A list in which one can be crossed out."""
    _, trusted = await _trusting(verifier)
    unknown = RevokeTrustedDevices.model_validate({"device_id": new_id()})
    assert (await verifier.ask(unknown)).code == "device_not_found"
    assert await verifier.data(RevokeTrustedDevices(device_id=trusted.id)) == {"revoked": 1}
    [revoked] = await verifier.said(events.TrustedDeviceRevoked)
    assert (revoked.data.device_id, revoked.data.reason) == (trusted.id, "asked")


async def test_only_the_hash_of_a_token_is_kept(verifier: Verifier) -> None:
    """Who reads the table must not be trusted by it."""
    _, trusted = await _trusting(verifier)
    row = await verifier.admin.fetchrow("SELECT * FROM otp.trusted_devices WHERE device_id = $1", trusted.id)
    assert row is not None
    assert len(row["token_digest"]) == 32
    assert trusted.token not in str(dict(row))
    assert trusted.expires_at - await verifier.now() > dt.timedelta(days=29)


async def _trusting(verifier: Verifier, *, again: bool = False) -> tuple[Authenticator, TrustedDeviceToken]:
    """An enrolled account whose browser was just trusted."""
    if again:
        await verifier.admin.execute("UPDATE otp.factors SET state = 'revoked', seed = NULL, ended_at = now()")
        await verifier.admin.execute("UPDATE otp.accounts SET first_enrolled_at = NULL WHERE account_id = $1", ANN)
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    answer = await verifier.passed(challenge.id, app.code(now), trust_device=True, context=FIREFOX)
    assert answer.trusted_device is not None
    return app, answer.trusted_device


async def _login(verifier: Verifier, trusted: TrustedDeviceToken, **more: Any) -> LoginAnswer:
    sealed = verifier.typed(ANN, trusted.token, "trusted_device_token")
    return await verifier.login(trusted_device_token=sealed, **more)
