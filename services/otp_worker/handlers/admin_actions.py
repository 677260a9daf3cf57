"""What an admin does to an account's second factor."""

import datetime as dt

from services.otp_worker.adapters.backup_hashes import hash_codes, new_codes
from services.otp_worker.announcements import notice, say
from services.otp_worker.deps import Deps
from services.otp_worker.handlers.acting import may_not_act
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import lock
from services.otp_worker.handlers.take_down import take_down
from services.otp_worker.queries.backup_codes import insert_recovery_code, void_recovery_code
from shared.contracts import events
from shared.contracts.commands import MakeRecoveryCode, ResetAccount
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import RecoveryCodeAnswer, RefusalCode, ResetAnswer
from shared.ids import new_id
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.advice import HAND_OVER


async def reset_account(asked: Envelope[ResetAccount], uow: UnitOfWork, _: Deps) -> Outcome:
    """Take everything down that guards the account. Where no factor guarded it nobody is told anything: a second click
    finds the first one's work, and who never enrolled keeps the time in which to.
    """
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account, wanted = locked.account, asked.data
    if (refused := await may_not_act(uow, account, wanted.acting)) is not None:
        return refused
    changes = Changes()
    gone = await take_down(asked, uow, changes, locked, "reset")
    reset = events.AccountReset(
        reason=wanted.reason, revoked_factors=len(gone.factors), approver=wanted.acting.approver
    )
    changes.say([say(asked, account, reset)])
    if gone.factors:
        changes.say([say(asked, account, events.SessionsShouldEnd(reason="reset"))])
        changes.say(notice(asked, account, gone.factors, Notification.ACCOUNT_RESET))
    await changes.store(uow)
    return Ok(ResetAnswer(revoked_factors=len(gone.factors), revoked_devices=gone.devices))


async def make_recovery_code(asked: Envelope[MakeRecoveryCode], uow: UnitOfWork, _: Deps) -> Outcome:
    """A code to read out to somebody who lost the factor; the one made before, if it was not used, is void.

    Hashed before the account is locked: it takes a while, and a login may be waiting.
    """
    [code] = new_codes(1)
    [stored] = await hash_codes([code])
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account, wanted = locked.account, asked.data
    if not account.is_active:
        return refuse(RefusalCode.ACCOUNT_INACTIVE)
    if (refused := await may_not_act(uow, account, wanted.acting)) is not None:
        return refused
    if not locked.held:
        return refuse(RefusalCode.NO_FACTORS)
    until = account.now + dt.timedelta(minutes=wanted.minutes)
    await void_recovery_code(uow.conn, account.tenant_id, account.id, at=account.now)
    row = (new_id(), code.slot, stored)
    await insert_recovery_code(uow.conn, account.tenant_id, account.id, row, at=account.now, until=until)
    issued = events.RecoveryCodeIssued(reason=wanted.reason, expires_at=until, approver=wanted.acting.approver)
    told = notice(asked, account, locked.held, Notification.RECOVERY_CODE_ISSUED, expires_at=until)
    uow.publish(say(asked, account, issued), *told)
    return Ok(RecoveryCodeAnswer(recovery_code=code.written(), expires_at=until, guidance=HAND_OVER), holds_secret=True)
