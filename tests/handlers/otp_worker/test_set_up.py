"""An admin sets a second factor up for somebody: the admin hands over, the account proves."""

import datetime as dt

import pyotp
import pytest

from shared.contracts import events
from shared.contracts.commands import ResetAccount, StartEnrolment
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.replies import EnrolmentAnswer
from shared.contracts.types import Acting, FactorType
from tests.handlers.otp_worker.conftest import ANN, Verifier

BOB = "bob"
BY_BOB = Acting(actor=BOB)
SET_UP = StartEnrolment(factor_type=FactorType.TOTP, acting=BY_BOB, reason="hired today")


@pytest.fixture
async def desk(verifier: Verifier) -> Verifier:
    """Bob is an admin."""
    await verifier.account(BOB, role="admin")
    return verifier


async def test_the_admin_gets_the_key_and_the_account_proves_the_code(desk: Verifier) -> None:
    """It counts for nothing until then; its owner hears when it begins and when it counts."""
    started = EnrolmentAnswer.model_validate(await desk.data(SET_UP))
    assert started.totp is not None
    assert (await desk.login()).decision == "allow"
    [begun] = [each.data for each in await desk.said(events.FactorEnrolled)]
    assert (begun.factor_id, begun.reason) == (started.factor.id, "hired today")
    assert [name for name, _ in await desk.notices(ANN)] == ["factor_set_up"] * 2  # mail and phone
    confirmed = await desk.confirm(started.factor.id, pyotp.TOTP(started.totp.seed).at(await desk.now()))
    assert confirmed.code is None
    assert [name for name, _ in await desk.notices(ANN)][2:] == ["factor_added"] * 2
    assert (await desk.login()).decision == "challenge"


async def test_it_opens_a_lock_and_needs_no_mailbox(desk: Verifier) -> None:
    """That is what the admin is called for: neither the deadline nor a dead address is in the way of who vouches."""
    year_ago = await desk.now() - dt.timedelta(days=365)
    await desk.account(ANN, created_at=year_ago, email_verified=False)
    everybody = Policy(required=Requirement(scope=Scope.ALL), grace_days=7, enrolment_proof=True)
    await desk.policy(everybody, required_since=year_ago)
    assert (await desk.login()).decision == "locked_out"
    assert (await desk.ask(StartEnrolment(factor_type=FactorType.TOTP))).code == "proof_required"
    await desk.enrol(acting=BY_BOB, reason="hired today")
    assert (await desk.login()).decision == "challenge"


async def test_after_a_reset_the_admin_may_set_it_up_at_once(desk: Verifier) -> None:
    """One call at the desk, and the person leaves with a working factor."""
    await desk.enrol()
    assert (await desk.ask(SET_UP)).code == "has_factors"
    await desk.data(ResetAccount(reason="lost phone", acting=BY_BOB))
    await desk.enrol(acting=BY_BOB, reason="new phone")


async def test_a_code_goes_to_the_accounts_own_phone(desk: Verifier) -> None:
    """The admin does not say where: a number of theirs would be a way in."""
    started = EnrolmentAnswer.model_validate(await desk.data(SET_UP.model_copy(update={"factor_type": FactorType.SMS})))
    assert started.factor.destination == "a•••e"
    assert (await desk.confirm(started.factor.id, (await desk.codes())[-1])).code is None


async def test_who_may_not_sets_up_nothing(desk: Verifier) -> None:
    """An agent, a stranger and the account itself are no admins of it."""
    await desk.account("eve")
    for actor, code in (("eve", "actor_not_an_admin"), ("nobody", "actor_not_an_admin"), (ANN, "not_on_oneself")):
        assert (await desk.ask(SET_UP.model_copy(update={"acting": Acting(actor=actor)}))).code == code
    await desk.account(ANN, is_active=False)
    assert (await desk.ask(SET_UP)).code == "account_inactive"
    assert await desk.said(events.FactorEnrolled) == []
    assert await desk.notices() == []
