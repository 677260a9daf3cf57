"""A pending factor is proved by a code of it: from now on it counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.announcements import challenge_verified, factor_notice, factor_revoked, mailbox_proved, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.challenge import as_verified, closed_reason, fail_mailed_code
from services.otp_worker.domain.enrolment import still_proves
from services.otp_worker.domain.factor import Enrolment, Factor
from services.otp_worker.domain.sending import Send, decide_send
from services.otp_worker.domain.throttle import after_success
from services.otp_worker.domain.typed import digits
from services.otp_worker.domain.views import factor_view
from services.otp_worker.handlers.attempts import Attempt, Right, Used, Wrong, match_code
from services.otp_worker.handlers.challenges import NOTHING_SENT, refuse_send
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import destination_of, send_code
from services.otp_worker.handlers.code_sets import ShownCodes, activate_codes, make_codes
from services.otp_worker.handlers.enrolment import expire_pending
from services.otp_worker.handlers.failures import already_used, reject
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.handlers.verification import load_attempts
from services.otp_worker.queries.challenges import complete_login, load_challenge
from services.otp_worker.queries.factors import activate_factor, end_factors, find_enrolment
from services.otp_worker.queries.pending_codes import PendingSet, find_pending_set
from services.otp_worker.queries.redemptions import hold_challenge
from shared.contracts import events
from shared.contracts.commands import ConfirmEnrolment, SendEnrolmentCode
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import ConfirmationAnswer, RefusalCode
from shared.contracts.types import FactorId, FactorState, Purpose
from shared.db.account_lock import lock_account
from shared.messaging.outcome import Ok, Outcome, Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.advice import keeping
from shared.secret import Secret

Confirm = Envelope[ConfirmEnrolment]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    enrolment: Enrolment
    factor: Factor
    attempt: Attempt
    codes: PendingSet | None  # that were shown when the account's first enrolment began


async def confirm_enrolment(asked: Confirm, uow: UnitOfWork, deps: Deps) -> Outcome:
    """Judge the code; a right one makes the factor active, the first factor brings backup codes or a recovery key."""
    pending = await _take(asked, uow, asked.data.factor_id)
    if isinstance(pending, Refused):
        return pending
    if pending.codes is not None and pending.codes.acknowledged_at is None:
        return refuse(RefusalCode.CODES_UNSAVED)  # before the code is looked at: it must be good a moment later
    opened = open_typed(deps.typed, asked.data.code, asked.tenant_id, str(pending.factor.id))
    code = digits(opened.reveal()) if opened is not None else None
    attempt = pending.attempt
    if code is None:
        return refuse(RefusalCode.CODE_MALFORMED, attempts_left=attempt.challenge.attempts_left)
    changes = Changes()
    outcome = await _judge(asked, uow, deps, changes, pending, Secret(code))
    await changes.store(uow)
    return outcome


async def _judge(
    asked: Confirm, uow: UnitOfWork, deps: Deps, changes: Changes, pending: _Pending, code: Secret[str]
) -> Outcome:
    attempt = pending.attempt
    match match_code(attempt, pending.factor, code, deps):
        case Right(step):
            return await _activate(asked, uow, deps, changes, pending, step)
        case Used():
            return already_used(asked, attempt, changes, pending.factor.id)
        case Wrong(clock):
            # no second factor is guessed at here: the challenge's five attempts are enough, no throttle
            failure = fail_mailed_code(attempt.challenge, attempt.account.state.throttle)
            return reject(asked, attempt, failure, changes, factor=pending.factor, clock=clock)


async def send_enrolment_code(asked: Envelope[SendEnrolmentCode], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Another code to the phone or address that is to be proved."""
    pending = await _take(asked, uow, asked.data.factor_id)
    if isinstance(pending, Refused):
        return pending
    attempt, to = pending.attempt, destination_of(pending.factor)
    if to is None:
        return refuse(RefusalCode.FACTOR_NOT_OFFERED, detail=NOTHING_SENT)
    match decide_send(attempt.challenge, attempt.account.state.budget, to.channel, attempt.account.now):
        case Send() as send:
            changes = Changes()
            after = send_code(asked, deps, changes, attempt.account, attempt.challenge, to, send)
            changes.sends.append((asked.tenant_id, after))
            await changes.store(uow)
            return Ok(factor_view(pending.factor, next_send_at=after.next_send_at))
        case refusal:
            return refuse_send(refusal, attempt)


async def _take(
    asked: Envelope[ConfirmEnrolment] | Envelope[SendEnrolmentCode], uow: UnitOfWork, factor_id: FactorId
) -> _Pending | Refused:
    """The pending factor and its challenge under the account's lock."""
    enrolment = await find_enrolment(uow.conn, asked.tenant_id, factor_id)
    if enrolment is None or enrolment.account_id != asked.account_id:
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    await lock_account(uow.conn, asked.tenant_id, enrolment.account_id)
    key = asked.tenant_id, enrolment.challenge_id
    attempt = (await load_attempts(uow.conn, {key: (asked.tenant_id, enrolment.account_id)})).get(key)
    if attempt is None:
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    if not attempt.account.is_active:
        return refuse(RefusalCode.ACCOUNT_INACTIVE)  # switched off meanwhile: the confirmation would be a way in
    factor = next((each for each in attempt.factors if each.id == factor_id), None)
    if factor is None or factor.state is not FactorState.PENDING:
        return refuse(RefusalCode.FACTOR_NOT_PENDING)
    over = closed_reason(attempt.challenge, attempt.account.now)
    if over is not None:
        return refuse(over)
    if await _is_unfounded(uow, enrolment, attempt):
        return refuse(RefusalCode.PROOF_REQUIRED)
    is_first = not any(each.is_held for each in attempt.factors)
    codes = await find_pending_set(uow.conn, *attempt.account.key, at=attempt.account.now) if is_first else None
    return _Pending(enrolment=enrolment, factor=factor, attempt=attempt, codes=codes)


async def _is_unfounded(uow: UnitOfWork, enrolment: Enrolment, attempt: Attempt) -> bool:
    """Whether the step-up that the enrolment began on proves nothing any more: a stolen phone may have begun it."""
    if enrolment.proof_challenge_id is None:
        return False
    proof = await load_challenge(uow.conn, attempt.account.tenant_id, enrolment.proof_challenge_id)
    held = [each for each in attempt.factors if each.is_held]
    return proof is not None and not still_proves(proof, attempt.account.state, held)


async def _activate(
    asked: Confirm, uow: UnitOfWork, deps: Deps, changes: Changes, pending: _Pending, step: int | None
) -> Outcome:
    account, factor = pending.attempt.account, pending.factor
    if not await activate_factor(uow.conn, account.tenant_id, factor.id, step=step, at=account.now):
        return refuse(RefusalCode.FACTOR_NOT_PENDING)
    before = [each for each in pending.attempt.factors if each.is_held]
    is_first = not before
    _note_success(asked, changes, pending, is_first=is_first)
    await _replace(asked, uow, changes, pending, before)
    active = replace(
        factor, state=FactorState.ACTIVE, confirmed_at=account.now, expires_at=None, last_used_at=account.now
    )
    changes.say(factor_notice(asked, account, before, Notification.FACTOR_ADDED, active))
    await end_trusts(asked, uow, changes, account, "factors_changed")
    codes = await _begin_anew(asked, uow, changes, pending) if is_first else ShownCodes()
    assertion = await _complete_login(asked, uow, deps, changes, pending)
    answer = ConfirmationAnswer(
        factor=factor_view(active),
        backup_codes=codes.backup_codes,
        recovery_key=codes.recovery_key,
        guidance=keeping(codes.backup_codes, codes.recovery_key),
        assertion=assertion,
    )
    return Ok(answer, holds_secret=codes != ShownCodes())


async def _begin_anew(asked: Confirm, uow: UnitOfWork, changes: Changes, pending: _Pending) -> ShownCodes:
    """The account is guarded from now on: codes for the day without it, and nothing that a password alone began."""
    account = pending.attempt.account
    others = [each for each in pending.attempt.factors if each.id != pending.factor.id]
    await expire_pending(asked, uow, changes, account, others, "factor_confirmed")
    if pending.codes is not None:
        await activate_codes(asked, uow, changes, account, pending.codes)
        return ShownCodes()  # they were shown when the enrolment began
    return await make_codes(asked, uow, changes, account)


def _note_success(asked: Confirm, changes: Changes, pending: _Pending, *, is_first: bool) -> None:
    """The challenge is passed, the wait is over, and whoever listens hears that there is a factor."""
    account, factor, challenge = pending.attempt.account, pending.factor, pending.attempt.challenge
    verified = as_verified(challenge, by=factor.method.value, now=account.now, factor_id=factor.id)
    changes.judged.append((account.tenant_id, verified, account.now))
    confirmed = events.FactorConfirmed(factor_id=factor.id, factor_type=factor.type, is_first=is_first)
    changes.say(
        [challenge_verified(asked, account, challenge, factor.method, factor.id), say(asked, account, confirmed)]
    )
    changes.say(mailbox_proved(asked, account, factor.contact))
    state = account.state
    changes.keep(
        account,
        replace(
            state,
            first_enrolled_at=state.first_enrolled_at or account.now,
            last_success_at=account.now,
            throttle=after_success(state.throttle),
        ),
    )


async def _replace(
    asked: Confirm, uow: UnitOfWork, changes: Changes, pending: _Pending, before: Sequence[Factor]
) -> None:
    """The factor that the new one stands in for goes in the same commit: never none, never both."""
    account, replaced_id = pending.attempt.account, pending.enrolment.replaces
    replaced = next((each for each in before if each.id == replaced_id), None)
    if replaced is None:
        return
    await end_factors(uow.conn, account.tenant_id, account.id, [replaced.id], at=account.now)
    state = changes.state_of(account)  # what began on the old factor goes on with the new one
    changes.keep(account, replace(state, carried_proof_id=pending.enrolment.proof_challenge_id))
    changes.say(factor_revoked(asked, account, replaced, reason="replaced", is_last=False))
    changes.say(factor_notice(asked, account, before, Notification.FACTOR_REMOVED, replaced))


async def _complete_login(
    asked: Confirm, uow: UnitOfWork, deps: Deps, changes: Changes, pending: _Pending
) -> str | None:
    """Enrolled inside a login that still lives: the confirmation is its proof."""
    account, method = pending.attempt.account, pending.factor.method
    login = pending.enrolment.login_challenge_id
    if login is None:
        return None
    if not await complete_login(
        uow.conn, account.tenant_id, login, method=method.value, factor_id=pending.factor.id, at=account.now
    ):
        return None
    verified = events.ChallengeVerified(
        challenge_id=login, purpose=Purpose.ENROLMENT, method=method, factor_id=pending.factor.id
    )
    changes.say([say(asked, account, verified)])
    if asked.data.redeem_digest is not None:
        digest = bytes.fromhex(asked.data.redeem_digest)
        await hold_challenge(uow.conn, account.tenant_id, login, digest, trusts_device=None)
        return None
    return deps.assertions.sign(
        tenant_id=account.tenant_id,
        account_id=account.id,
        challenge_id=login,
        purpose=Purpose.SIGN_IN,
        method=method,
        at=account.system_now,
    )
