"""Factors that are there: given another name, removed."""

from dataclasses import replace

from services.otp_worker.announcements import Cause, challenge_cancelled, factor_notice, factor_revoked, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, login_facts, without_codes, without_proofs
from services.otp_worker.domain.enrolment import is_fresh_proof
from services.otp_worker.domain.factor import Factor, is_last
from services.otp_worker.domain.login import enforcement_for
from services.otp_worker.domain.views import factor_view
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import Locked, lock, proof_of
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.backup_codes import void_backup_codes
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.factors import end_factors, rename_factor
from services.otp_worker.queries.pending_codes import void_pending_codes
from shared.contracts import events
from shared.contracts.commands import RenameFactor, RevokeFactor
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EnforcementState, FactorState
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def rename(asked: Envelope[RenameFactor], uow: UnitOfWork, _: Deps) -> Outcome:
    """Another name. Said to nobody: it changes nothing."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    factor_id = asked.data.factor_id
    if not await rename_factor(uow.conn, asked.tenant_id, locked.account.id, factor_id, asked.data.name):
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    again = await lock(uow, asked.tenant_id, asked.account_id)
    renamed = next(factor for factor in (again or locked).factors if factor.id == factor_id)
    return Ok(factor_view(renamed))


async def revoke(asked: Envelope[RevokeFactor], uow: UnitOfWork, _: Deps) -> Outcome:
    """Remove a factor on a fresh proof. Two removals at once: the second one finds what the first one left."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    factor = next((each for each in locked.factors if each.id == asked.data.factor_id), None)
    if factor is None:
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    if factor.is_held:
        proof = await proof_of(uow, locked.account, asked.data.proof)
        if not is_fresh_proof(proof, locked.account, locked.held):
            return refuse(RefusalCode.PROOF_REQUIRED)
        if is_last(locked.factors, factor.id) and _is_required(locked):
            return refuse(RefusalCode.LAST_FACTOR_REQUIRED)
    return await _revoke(asked, uow, locked, factor)


async def _revoke(asked: Cause, uow: UnitOfWork, locked: Locked, factor: Factor) -> Outcome:
    account, changes = locked.account, Changes()
    ended = await end_factors(uow.conn, account.tenant_id, account.id, [factor.id], at=account.now)
    if not ended:
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    await _cancel_own_challenge(asked, uow, changes, account, factor)
    if factor.is_held:
        last = is_last(locked.factors, factor.id)
        changes.say(factor_revoked(asked, account, factor, reason="asked", is_last=last))
        changes.say(factor_notice(asked, account, locked.held, Notification.FACTOR_REMOVED, factor))
        await end_trusts(asked, uow, changes, account, "factors_changed")
        changes.keep(account, replace(changes.state_of(account), carried_proof_id=None))
        if len(locked.held) == 1:  # codes that stand in for nothing would outlive the account's next beginning
            await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
            changes.keep(account, without_proofs(without_codes(changes.state_of(account)), account.now))
    else:
        expired = events.FactorExpired(factor_id=factor.id, factor_type=factor.type)
        changes.say([say(asked, account, expired)])
        if len(locked.factors) == 1:  # nothing is left that the codes shown with it could wait for
            await void_pending_codes(uow.conn, *account.key, at=account.now)
    await changes.store(uow)
    state = FactorState.REVOKED if factor.is_held else FactorState.EXPIRED
    return Ok(factor_view(replace(factor, state=state, expires_at=None)))


async def _cancel_own_challenge(
    asked: Cause, uow: UnitOfWork, changes: Changes, account: Account, factor: Factor
) -> None:
    """A pending factor's challenge has nothing left to prove."""
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    theirs = [challenge.id for challenge in open_ones if challenge.factor_id == factor.id]
    cancelled = await cancel_challenges(uow.conn, account.tenant_id, theirs, at=account.now)
    changes.say(challenge_cancelled(asked, account, cancelled, "factor_removed"))


def _is_required(locked: Locked) -> bool:
    """Whether the account is held to have a factor: what it has now satisfies a requirement."""
    facts = login_facts(locked.account, held_factors=len(locked.held))
    state = enforcement_for(locked.account.policy, facts, locked.account.now).state
    return state is EnforcementState.SATISFIED
