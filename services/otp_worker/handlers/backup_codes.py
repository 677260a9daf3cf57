"""Backup codes, recovery keys and recovery codes: judged, made, acknowledged."""

from dataclasses import replace

from services.otp_worker.adapters.backup_hashes import fits, hash_codes, new_codes
from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.announcements import Cause, backup_code_used, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.backup_code import BackupCode, Kind, parse
from services.otp_worker.domain.challenge import closed_reason, fail_backup_code
from services.otp_worker.domain.sending import seconds_until
from services.otp_worker.domain.throttle import backup_codes_closed_until
from services.otp_worker.domain.views import offers_factors
from services.otp_worker.handlers.attempts import Attempt
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.failures import already_used, reject, throttled
from services.otp_worker.handlers.successes import Proof, accept
from services.otp_worker.queries.backup_codes import (
    StoredCode,
    count_backup_codes,
    find_backup_code,
    insert_backup_codes,
    spend_backup_code,
    void_backup_codes,
)
from shared.contracts import events
from shared.contracts.commands import VerifyCode
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Method
from shared.ids import new_id
from shared.messaging.outcome import Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def judge_backup_code(
    typed: Envelope[VerifyCode], attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps
) -> Outcome:
    """One try at a backup code, key or recovery code: one slow hash, in a thread."""
    account, challenge = attempt.account, attempt.challenge
    over = closed_reason(challenge, account.now)
    if over is not None:
        return refuse(over)
    if not offers_factors(challenge):
        return refuse(RefusalCode.FACTOR_NOT_OFFERED)
    until = backup_codes_closed_until(account.state.throttle, account.now)
    if until is not None:
        return throttled(typed, attempt, changes, None, seconds=seconds_until(until, account.now))
    kind, code = _typed(typed, deps)
    if code is None:
        return refuse(RefusalCode.CODE_MALFORMED, attempts_left=challenge.attempts_left)
    return await _judge(typed, attempt, changes, uow, deps, kind, code)


async def _judge(
    cause: Cause, attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps, kind: Kind, code: BackupCode
) -> Outcome:
    account, challenge = attempt.account, attempt.challenge
    stored = await find_backup_code(uow.conn, account.tenant_id, account.id, kind, code.slot)
    has_expired = stored is not None and stored.expires_at is not None and stored.expires_at <= account.now
    if stored is None or has_expired or not await fits(stored.hash, code):
        if kind is Kind.BACKUP_CODE and account.state.backup_set_id is None:  # nothing to guess, nothing to count
            return refuse(RefusalCode.NO_BACKUP_CODES)
        return reject(cause, attempt, fail_backup_code(challenge, account.state.throttle, account.now), changes)
    if stored.used_at is not None:
        return already_used(cause, attempt, changes)
    return await _spend(cause, attempt, changes, uow, deps, kind, stored)


async def _spend(
    cause: Cause, attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps, kind: Kind, stored: StoredCode
) -> Outcome:
    """The compare-and-set on the row is what makes it once; the account's lock only makes it orderly."""
    account = attempt.account
    if not await spend_backup_code(uow.conn, account.tenant_id, account.id, stored.code_id, at=account.now):
        return already_used(cause, attempt, changes)
    left = (await count_backup_codes(uow.conn, [account.key])).get(account.key, 0)
    if kind is Kind.BACKUP_CODE:
        changes.say(backup_code_used(cause, account, attempt.factors, left))
    return accept(cause, attempt, Proof(method=Method(kind.value), codes_left=left), changes, deps)


async def make_backup_codes(cause: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> tuple[str, ...]:
    """Ten new ones in place of all there were; returns them as they are shown, this once."""
    codes = new_codes()
    hashes = await hash_codes(codes)
    set_id = new_id()
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    rows = [(new_id(), code.slot, stored) for code, stored in zip(codes, hashes, strict=True)]
    await insert_backup_codes(uow.conn, account.tenant_id, account.id, rows, set_id=set_id, at=account.now)
    state = changes.accounts.get(account.key, account.state)
    changes.keep(
        account,
        replace(state, backup_set_id=set_id, backup_generated_at=account.now, backup_acknowledged_at=None),
    )
    changes.say([say(cause, account, events.BackupCodesGenerated(count=len(codes)))])
    return tuple(code.written() for code in codes)


def _typed(typed: Envelope[VerifyCode], deps: Deps) -> tuple[Kind, BackupCode | None]:
    data = typed.data
    sealed = {
        Kind.BACKUP_CODE: data.backup_code,
        Kind.RECOVERY_KEY: data.recovery_key,
        Kind.RECOVERY_CODE: data.recovery_code,
    }
    for kind, value in sealed.items():
        if value is not None:
            opened = open_typed(deps.typed, value, typed.tenant_id, str(data.challenge_id))
            return kind, parse(opened.reveal()) if opened is not None else None
    return Kind.BACKUP_CODE, None
