"""A step-up is worth what proved it: gone, void or taken down, it changes nothing any more."""

import pytest

from shared.contracts import commands
from shared.contracts.commands import RegenerateBackupCodes, RevokeFactor, StartEnrolment
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import ChallengeId, Context, FactorId, FactorType, Purpose
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import FIREFOX, STEP, Answered, Authenticator, Verifier, contact

THIEF = Context(ip="198.51.100.66", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


async def test_a_proof_ends_with_the_factor_that_gave_it(verifier: Verifier) -> None:
    """A phone was stolen unlocked: once its owner has taken it off, the thief must not go on for ten minutes."""
    stolen, kept = await _two(verifier)
    thiefs = await _step_up(verifier, stolen, context=THIEF)
    assert (await _start(verifier, thiefs)).code is None
    owners = await _step_up(verifier, kept)
    assert (await _revoke(verifier, stolen.factor_id, owners)).code is None
    assert (await _start(verifier, thiefs)).code == "proof_required"
    assert (await _revoke(verifier, kept.factor_id, thiefs)).code == "proof_required"
    assert (await verifier.ask(RegenerateBackupCodes(proof=thiefs))).code == "proof_required"
    assert (await _start(verifier, owners)).code is None


async def test_what_the_stolen_factor_began_is_not_finished(verifier: Verifier) -> None:
    """The thief's own phone waits for its code: it must not join the account a minute after the owner has acted."""
    stolen, kept = await _two(verifier)
    thiefs = await _step_up(verifier, stolen, context=THIEF)
    begun = await verifier.start(FactorType.SMS, proof=thiefs, destination=contact("thief-phone"))
    code = (await verifier.codes())[-1]
    await _revoke(verifier, stolen.factor_id, await _step_up(verifier, kept))
    assert (await verifier.confirm(begun.factor.id, code)).code == "proof_required"


async def test_who_replaces_the_factor_goes_on_with_the_proof_that_it_gave(verifier: Verifier) -> None:
    """New phone: replace the old one, add a second device, make new codes, all on one step-up; and nobody else's."""
    app = await verifier.enrol()
    thiefs = await _step_up(verifier, app, context=THIEF)
    owners = await _step_up(verifier, app)
    side = await verifier.start(FactorType.SMS, proof=owners)
    code = (await verifier.codes())[-1]
    new = await verifier.enrol(proof=owners, replaces=app.factor_id)
    assert (await verifier.confirm(side.factor.id, code)).code is None
    assert (await verifier.ask(RegenerateBackupCodes(proof=owners))).code is None
    assert (await _start(verifier, owners)).code is None
    assert (await _start(verifier, thiefs)).code == "proof_required"
    assert (await _revoke(verifier, new.factor_id, owners)).code is None
    assert (await _start(verifier, owners)).code == "proof_required"


async def test_new_codes_end_what_was_proved_by_an_old_one(verifier: Verifier) -> None:
    """Somebody photographed the sheet: making new ones shuts out who typed one of it, but for the owner."""
    app = await verifier.enrol()
    thiefs = await verifier.challenge(purpose=Purpose.STEP_UP, context=THIEF)
    await verifier.passed(thiefs.id, app.backup_codes[0], kind="backup_code")
    owners = await verifier.challenge(purpose=Purpose.STEP_UP)
    await verifier.passed(owners.id, app.backup_codes[1], kind="backup_code")
    by_app = await _step_up(verifier, app, context=Context(ip="192.0.2.99"))
    assert (await verifier.ask(RegenerateBackupCodes(proof=owners.id))).code is None
    assert (await _start(verifier, thiefs.id)).code == "proof_required"
    assert (await _start(verifier, owners.id)).code is None
    assert (await _start(verifier, by_app)).code is None


@pytest.mark.parametrize("kind", ["code", "backup_code"])
async def test_nothing_from_before_a_recovery_proves_anything_after_it(verifier: Verifier, kind: str) -> None:
    """The owner begins anew; whoever was in there a moment ago does not ride on it."""
    await verifier.policy(Policy(required=Requirement(scope=Scope.ALL), grace_days=None))
    app = await verifier.enrol()
    now = await verifier.move(2 * STEP)
    thiefs = await verifier.challenge(purpose=Purpose.STEP_UP, context=THIEF)
    await verifier.passed(thiefs.id, app.code(now) if kind == "code" else app.backup_codes[0], kind=kind)
    executed = {"recovery_id": new_id(), "requested_at": await verifier.move(1)}
    await verifier.hear(commands.ExecuteRecovery.model_validate(executed))
    assert (await _start(verifier, thiefs.id)).code == "proof_required"
    again = await verifier.challenge()  # a login that has to enrol: its mailbox first
    await verifier.data(commands.SendCode(challenge_id=again.id))
    await verifier.passed(again.id, (await verifier.codes())[-1])
    await verifier.enrol(proof=again.id)
    assert (await _start(verifier, thiefs.id)).code == "proof_required"


async def test_after_the_last_factor_only_the_mailbox_proves(verifier: Verifier) -> None:
    """The account is without a factor again: the step-up that took the last one off binds no new one."""
    app = await verifier.enrol()
    proof = await _step_up(verifier, app)
    assert (await _revoke(verifier, app.factor_id, proof)).code is None
    assert (await _start(verifier, proof)).code == "proof_required"


async def _two(verifier: Verifier) -> tuple[Authenticator, Authenticator]:
    """An account with two apps."""
    first = await verifier.enrol()
    second = await verifier.enrol(proof=await verifier.proof(first))
    return first, second


async def _step_up(verifier: Verifier, app: Authenticator, context: Context | None = None) -> ChallengeId:
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge(purpose=Purpose.STEP_UP, context=context or FIREFOX)
    await verifier.passed(challenge.id, app.code(now), factor_id=app.factor_id)
    return challenge.id


async def _start(verifier: Verifier, proof: ChallengeId) -> Answered:
    return await verifier.ask(StartEnrolment(factor_type=FactorType.TOTP, proof=proof))


async def _revoke(verifier: Verifier, factor_id: FactorId, proof: ChallengeId) -> Answered:
    return await verifier.ask(RevokeFactor(factor_id=factor_id, proof=proof))
