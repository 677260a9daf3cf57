"""Backup codes, recovery keys and recovery codes, typed: each good once, each kind a lane of its own."""

from collections.abc import Sequence

from services.otp_worker.adapters.backup_hashes import fits
from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.announcements import Cause, Said, backup_code_used, recovery_code_used, recovery_key_used
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import AccountState
from services.otp_worker.domain.backup_code import BackupCode, Kind, parse
from services.otp_worker.domain.challenge import closed_reason, fail_backup_code
from services.otp_worker.domain.sending import seconds_until
from services.otp_worker.domain.throttle import backup_codes_closed_until
from services.otp_worker.domain.views import offers_factors
from services.otp_worker.handlers.attempts import Attempt
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sets import replace_key
from services.otp_worker.handlers.failures import already_used, reject, throttled
from services.otp_worker.handlers.foreign_codes import find_foreign_code, has_foreign_codes
from services.otp_worker.handlers.successes import Proof, accept
from services.otp_worker.queries.backup_codes import (
    StoredCode,
    count_codes,
    find_backup_codes,
    spend_backup_code,
)
from shared.contracts.commands import VerifyCode
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Method
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
    kind, code = _typed(typed, deps)
    until = backup_codes_closed_until(account.state.throttle, kind, account.now)
    if until is not None:
        return throttled(typed, attempt, changes, None, seconds=seconds_until(until, account.now))
    if typed.data.backup_code is not None and await has_foreign_codes(uow, account):
        found = await find_foreign_code(typed, uow, deps, account)
        return await _settle(typed, attempt, changes, uow, deps, kind, found)
    if code is None:
        return refuse(RefusalCode.CODE_MALFORMED, attempts_left=challenge.attempts_left)
    return await _judge(typed, attempt, changes, uow, deps, kind, code)


async def _judge(
    cause: Cause, attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps, kind: Kind, code: BackupCode
) -> Outcome:
    account = attempt.account
    if _has_none(account.state, kind):  # nothing to guess, nothing to count
        return refuse(_MISSING[kind])
    known = await find_backup_codes(uow.conn, account.tenant_id, account.id, kind, code.slot)
    return await _settle(cause, attempt, changes, uow, deps, kind, await _fitting(known, code))


async def _settle(
    cause: Cause,
    attempt: Attempt,
    changes: Changes,
    uow: UnitOfWork,
    deps: Deps,
    kind: Kind,
    stored: StoredCode | None,
) -> Outcome:
    """``stored``: the code that was typed, used or not; None: it is none of the account's."""
    account, challenge = attempt.account, attempt.challenge
    if stored is not None and stored.used_at is not None:
        return already_used(cause, attempt, changes)
    if stored is None or (stored.expires_at is not None and stored.expires_at <= account.now):
        return reject(cause, attempt, fail_backup_code(challenge, account.state.throttle, kind, account.now), changes)
    return await _spend(cause, attempt, changes, uow, deps, kind, stored)


async def _spend(
    cause: Cause, attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps, kind: Kind, stored: StoredCode
) -> Outcome:
    """The compare-and-set on the row is what makes it once; the account's lock only makes it orderly."""
    account = attempt.account
    if not await spend_backup_code(uow.conn, account.tenant_id, account.id, stored.code_id, at=account.now):
        return already_used(cause, attempt, changes)
    left = (await count_codes(uow.conn, [account.key]))[account.key].backup_codes
    key = await replace_key(cause, uow, changes, account) if kind is Kind.RECOVERY_KEY else None
    changes.say(_used(cause, attempt, kind, left))
    codes_left = left if account.state.backup_set_id is not None else None
    proof = Proof(method=Method(kind.value), codes_left=codes_left, new_key=key)
    return accept(cause, attempt, proof, changes, deps)


def _used(cause: Cause, attempt: Attempt, kind: Kind, codes_left: int) -> Said:
    match kind:
        case Kind.BACKUP_CODE:
            return backup_code_used(cause, attempt.account, attempt.factors, codes_left)
        case Kind.RECOVERY_KEY:
            return recovery_key_used(cause, attempt.account, attempt.factors)
        case Kind.RECOVERY_CODE:
            return recovery_code_used(cause, attempt.account, attempt.factors)


_MISSING = {Kind.BACKUP_CODE: RefusalCode.NO_BACKUP_CODES, Kind.RECOVERY_KEY: RefusalCode.NO_RECOVERY_KEY}


def _has_none(state: AccountState, kind: Kind) -> bool:
    """Whether none of that kind was ever made for the account as it is; of recovery codes nobody is told so."""
    match kind:
        case Kind.BACKUP_CODE:
            return state.backup_set_id is None
        case Kind.RECOVERY_KEY:
            return state.recovery_key_made_at is None
        case Kind.RECOVERY_CODE:
            return False


async def _fitting(known: Sequence[StoredCode], code: BackupCode) -> StoredCode | None:
    for stored in known:
        if await fits(stored.hash, code):
            return stored
    return None


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
