"""Factors that are there: renamed, removed, never the last one of an account that must have one."""

import asyncio
from uuid import UUID

from shared.contracts import events
from shared.contracts.commands import RenameFactor, RevokeFactor
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import ChallengeId, FactorId, FactorType, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import Answered, Verifier

EVERYBODY = Policy(required=Requirement(scope=Scope.ALL), grace_days=None)


async def test_a_factor_is_removed_on_a_fresh_proof_and_everybody_hears_of_it(verifier: Verifier) -> None:
    """The one who is told last would be the one it was taken from."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    phone = await verifier.enrol_by_code(FactorType.SMS, proof=proof)
    assert (await _revoke(verifier, phone)).code == "proof_required"
    answered = await _revoke(verifier, phone, proof)
    assert answered.data is not None
    assert answered.data["state"] == "revoked"
    [revoked] = await verifier.said(events.FactorRevoked)
    assert (revoked.data.factor_id, revoked.data.is_last) == (phone, False)
    assert [name for name, _ in await verifier.notices()].count("factor_removed") == 2
    assert (await _revoke(verifier, phone, proof)).code == "factor_not_found"


async def test_the_last_factor_of_a_required_account_stays(verifier: Verifier) -> None:
    """Removing it would be the way around the requirement; replacing it is not."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    await verifier.policy(EVERYBODY)
    assert (await _revoke(verifier, app.factor_id, proof)).code == "last_factor_required"
    await verifier.policy(Policy())
    assert (await _revoke(verifier, app.factor_id, proof)).code is None
    assert (await verifier.security()).backup_codes.codes_left == 0


async def test_each_app_remembers_its_own_steps(verifier: Verifier) -> None:
    """Two phones in the same half minute: the code of one does not use up the other's, and each is good once."""
    first = await verifier.enrol()
    second = await verifier.enrol(proof=await verifier.proof(first))
    now = await verifier.move(60)
    for app in (first, second):
        await verifier.passed((await verifier.challenge()).id, app.code(now), factor_id=app.factor_id)
    for app in (first, second):
        again = await verifier.verify((await verifier.challenge()).id, app.code(now), factor_id=app.factor_id)
        assert again.code == "code_already_used"


async def test_of_two_removals_at_once_one_leaves_a_factor(verifier: Verifier) -> None:
    """Both see two factors, if nobody holds the lock; the account would have none."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    phone = await verifier.enrol_by_code(FactorType.SMS, proof=proof)
    await verifier.policy(EVERYBODY)
    by_paper = await verifier.challenge(purpose=Purpose.STEP_UP)  # it proves whichever of the two is gone by then
    await verifier.passed(by_paper.id, app.backup_codes[0], kind="backup_code")
    proof = by_paper.id
    answers = await asyncio.gather(_revoke(verifier, app.factor_id, proof), _revoke(verifier, phone, proof))
    assert sorted(str(answer.code) for answer in answers) == ["None", "last_factor_required"]


async def test_a_removed_factor_takes_its_seed_and_the_trusts_with_it(verifier: Verifier) -> None:
    """What was given under the old factors ends with them."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    now = await verifier.move(60)
    challenge = await verifier.challenge()
    trusted = await verifier.passed(challenge.id, app.code(now), trust_device=True)
    assert trusted.trusted_device is not None
    phone = await verifier.enrol_by_code(FactorType.SMS, proof=proof)
    assert [each.data.device_id for each in await verifier.said(events.TrustedDeviceRevoked)] == [
        trusted.trusted_device.id
    ]
    await _revoke(verifier, app.factor_id, proof)
    seed = await verifier.admin.fetchval("SELECT seed FROM otp.factors WHERE factor_id = $1", app.factor_id)
    assert seed is None
    assert [factor.id for factor in (await verifier.security()).factors] == [phone]


async def test_a_pending_factor_is_dropped_without_a_proof(verifier: Verifier) -> None:
    """It guards nothing yet."""
    started = await verifier.start(FactorType.SMS)
    assert (await _revoke(verifier, started.factor.id)).code is None
    assert len(await verifier.said(events.FactorExpired)) == 1
    assert len(await verifier.said(events.ChallengeCancelled)) == 1


async def test_a_factor_gets_another_name(verifier: Verifier) -> None:
    """Two phones are told apart by what their owner calls them."""
    app = await verifier.enrol()
    answered = await verifier.ask(RenameFactor(factor_id=app.factor_id, name="Work phone"))
    assert answered.data is not None
    assert answered.data["name"] == "Work phone"
    unknown = RenameFactor.model_validate({"factor_id": new_id(), "name": "x"})
    assert (await verifier.ask(unknown)).code == "factor_not_found"


async def test_another_accounts_factor_cannot_be_touched(verifier: Verifier) -> None:
    """An id in the path is not a right."""
    await verifier.account("bob")
    app = await verifier.enrol()
    bobs = await verifier.enrol("bob")
    answered = await verifier.ask(RevokeFactor(factor_id=app.factor_id, proof=await verifier.proof(bobs, "bob")), "bob")
    assert answered.code == "factor_not_found"


async def test_the_security_view_shows_what_holds(verifier: Verifier) -> None:
    """Masked destinations, no seed, and a throttle where there is one."""
    app = await verifier.enrol()
    challenge = await verifier.challenge()
    now = await verifier.now()
    for number in range(5):
        await verifier.verify(challenge.id, app.wrong(now, number))
    view = await verifier.security()
    assert [(factor.id, factor.destination) for factor in view.factors] == [(app.factor_id, None)]
    assert view.backup_codes.codes_left == 10
    assert view.throttled_until is not None
    await verifier.account("new")
    assert (await verifier.security("new")).factors == ()


async def _revoke(verifier: Verifier, factor_id: FactorId, proof: ChallengeId | UUID | None = None) -> Answered:
    return await verifier.ask(RevokeFactor.model_validate({"factor_id": factor_id, "proof": proof}))
