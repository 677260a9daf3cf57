"""Two things that must not both happen to an account's factors, each pair in both orders, on two connections."""

import datetime as dt

import pyotp
import pytest

from shared.contracts import events
from shared.contracts.commands import ConcludeRecovery, ExecuteRecovery, ReadSecurity, RevokeFactor, StartEnrolment
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import FactorType, Purpose, RecoveryId
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Answered, Verifier
from tests.support.turns import in_turn

EVERYBODY = Policy(required=Requirement(scope=Scope.ALL), grace_days=7)

in_both_orders = pytest.mark.parametrize("order", [1, -1], ids=["as_named", "the_other_way"])


async def factors_of(verifier: Verifier) -> list[str]:
    """The ids of what is held."""
    view = await verifier.data(ReadSecurity())
    return [each["id"] for each in view["factors"] if each["state"] == "active"]


@in_both_orders
async def test_of_two_factors_of_a_required_account_one_is_removed(verifier: Verifier, order: int) -> None:
    """Each removal alone would leave another factor. Whoever is second is told to replace instead."""
    app = await verifier.enrol()
    phone = await verifier.enrol_by_code(FactorType.SMS, proof=await verifier.proof(app))
    await verifier.policy(EVERYBODY)
    by_paper = await verifier.challenge(purpose=Purpose.STEP_UP)  # it proves whichever of the two is gone by then
    await verifier.passed(by_paper.id, app.backup_codes[0], kind="backup_code")
    proof = by_paper.id
    removals = [verifier.ask(RevokeFactor(factor_id=each, proof=proof)) for each in (app.factor_id, phone)][::order]
    first, second = await in_turn(verifier.admin, verifier.tenant_id, ANN, *removals)
    assert (first.code, second.code) == (None, "last_factor_required")
    assert len(await factors_of(verifier)) == 1


@in_both_orders
async def test_a_replacement_and_the_removal_of_what_it_replaces_leave_one(verifier: Verifier, order: int) -> None:
    """Removed a moment before, the old factor was the last; a moment later it is gone already: never none."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    await verifier.policy(EVERYBODY)
    started = await verifier.start(FactorType.TOTP, proof=proof, replaces=app.factor_id)
    assert started.totp is not None
    code = pyotp.TOTP(started.totp.seed).at(await verifier.now())
    works = [
        verifier.confirm(started.factor.id, code),
        verifier.ask(RevokeFactor(factor_id=app.factor_id, proof=proof)),
    ][::order]
    answers = await in_turn(verifier.admin, verifier.tenant_id, ANN, *works)
    confirmed, removed = answers[::order]
    assert confirmed.code is None
    assert removed.code in ("factor_not_found", "last_factor_required", "proof_required")
    assert await factors_of(verifier) == [str(started.factor.id)]


async def test_two_confirmations_of_one_enrolment_are_one(verifier: Verifier) -> None:
    """Two sets of backup codes would be shown, and one of them be void."""
    started = await verifier.start()
    assert started.totp is not None
    code = pyotp.TOTP(started.totp.seed).at(await verifier.now())
    works = [verifier.confirm(started.factor.id, code) for _ in range(2)]
    first, second = await in_turn(verifier.admin, verifier.tenant_id, ANN, *works)
    assert (first.code, second.code) == (None, "factor_not_pending")
    assert len(await verifier.said(events.FactorConfirmed)) == 1
    assert (await verifier.data(ReadSecurity()))["backup_codes"]["codes_left"] == 10


async def test_two_first_factors_at_once_are_one(verifier: Verifier) -> None:
    """Owner and thief both began on the password alone: what is confirmed second has ended with the first."""
    owners, thiefs = await verifier.start(FactorType.TOTP), await verifier.start(FactorType.SMS)
    assert owners.totp is not None
    now = await verifier.now()
    [code] = await verifier.codes()
    works = [
        verifier.confirm(owners.factor.id, pyotp.TOTP(owners.totp.seed).at(now)),
        verifier.confirm(thiefs.factor.id, code),
    ]
    first, second = await in_turn(verifier.admin, verifier.tenant_id, ANN, *works)
    assert (first.code, second.code) == (None, "factor_not_pending")
    assert await factors_of(verifier) == [str(owners.factor.id)]


@in_both_orders
async def test_a_recovery_is_executed_or_a_code_was_right(verifier: Verifier, order: int) -> None:
    """Who signs in at the last moment keeps the factors; who comes a moment later finds no challenge any more."""
    app = await verifier.enrol()
    requested_at = await verifier.move(2 * STEP)
    now = await verifier.move(24 * 3600)
    challenge = await verifier.challenge()
    execute = ExecuteRecovery(recovery_id=RecoveryId(new_id()), requested_at=requested_at)
    works = [verifier.hear(execute), verifier.verify(challenge.id, app.code(now))][::order]
    _, verified = (await in_turn(verifier.admin, verifier.tenant_id, ANN, *works))[::order]
    [concluded] = await verifier.said(ConcludeRecovery)
    assert isinstance(verified, Answered)
    assert concluded.data.is_executed == (order == 1)
    assert (verified.code is None) == (order == -1)
    assert len(await factors_of(verifier)) == (0 if order == 1 else 1)


async def test_no_enrolment_outlives_a_recovery(verifier: Verifier) -> None:
    """Begun a moment before, on a factor that is gone: whoever did must not be the one who holds the account now."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    requested_at = await verifier.now() + dt.timedelta(seconds=1)
    works = [
        verifier.ask(StartEnrolment(factor_type=FactorType.TOTP, proof=proof)),
        verifier.hear(ExecuteRecovery(recovery_id=RecoveryId(new_id()), requested_at=requested_at)),
    ]
    begun, _ = await in_turn(verifier.admin, verifier.tenant_id, ANN, *works)
    assert begun.code is None
    alive = await verifier.admin.fetch(
        "SELECT state FROM otp.factors WHERE tenant_id = $1 AND state IN ('pending', 'active')", verifier.tenant_id
    )
    assert alive == []
