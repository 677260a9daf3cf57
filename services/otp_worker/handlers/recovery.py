"""Our part of a recovery: the code that proves the mailbox, and, a day later, the end of the second factor."""

from collections.abc import Sequence
from dataclasses import replace

from services.otp_worker.announcements import (
    Cause,
    challenge_cancelled,
    challenge_issued,
    factor_revoked,
    notice_elsewhere,
    say,
)
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import Send, decide_send
from services.otp_worker.domain.throttle import Throttle
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import Destination, send_code
from services.otp_worker.handlers.locked import Locked, lock
from services.otp_worker.handlers.logins import new_challenge
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.backup_codes import void_backup_codes
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.factors import end_factors
from shared.contracts import events
from shared.contracts.commands import ConcludeRecovery, ExecuteRecovery, OpenRecoveryChallenge
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, Purpose
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def open_recovery_challenge(asked: Envelope[OpenRecoveryChallenge], uow: UnitOfWork, deps: Deps) -> Outcome:
    """The challenge that policy has announced already, with its code on the way."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return Done()
    account, wanted = locked.account, asked.data
    opened = replace(
        new_challenge(account, Purpose.RECOVERY, f"recovery:{wanted.recovery_id}"),
        id=wanted.challenge_id,
        mailbox=wanted.mailbox,
        recovery_id=wanted.recovery_id,
    )
    changes = Changes()
    changes.keep(account, account.state)
    match decide_send(opened, account.state.budget, Channel.EMAIL, account.now):
        case Send() as send:
            to = Destination(channel=Channel.EMAIL, contact=wanted.mailbox)
            opened = send_code(asked, deps, changes, account, opened, to, send)
        case _:
            pass  # the day's mails are used up; it may be asked for again
    changes.issued.append((account.tenant_id, opened, account.state.factor_epoch))
    changes.say([challenge_issued(asked, account, opened)])
    await changes.store(uow)
    return Done()


async def execute_recovery(asked: Envelope[ExecuteRecovery], uow: UnitOfWork, _: Deps) -> Outcome:
    """The waiting is over. Whoever passed with a real factor since has not lost it, and somebody else asked."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return Done()
    account, last = locked.account, locked.account.state.last_success_at
    if last is not None and last > asked.data.requested_at:
        refused = ConcludeRecovery(recovery_id=asked.data.recovery_id, is_executed=False)
        uow.publish(say(asked, account, refused))
        return Done()
    changes = Changes()
    revoked = await _take_down(asked, uow, changes, locked)
    concluded = ConcludeRecovery(recovery_id=asked.data.recovery_id, is_executed=True, revoked_factors=len(revoked))
    changes.say([say(asked, account, concluded), say(asked, account, events.SessionsShouldEnd(reason="recovery"))])
    changes.say(notice_elsewhere(asked, account, revoked, Notification.RECOVERY_EXECUTED))
    await changes.store(uow)
    return Done()


async def _take_down(asked: Cause, uow: UnitOfWork, changes: Changes, locked: Locked) -> Sequence[Factor]:
    """Factors revoked, seeds erased, codes void, trusts and open challenges ended; the throttle starts afresh."""
    account = locked.account
    ended = set(
        await end_factors(uow.conn, account.tenant_id, account.id, [each.id for each in locked.factors], at=account.now)
    )
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    await _cancel_all(asked, uow, changes, account)
    state = replace(
        account.state, throttle=Throttle(), backup_set_id=None, backup_generated_at=None, backup_acknowledged_at=None
    )
    changes.keep(account, state)
    await end_trusts(asked, uow, changes, account, "recovery")
    revoked = [factor for factor in locked.held if factor.id in ended]
    for position, factor in enumerate(revoked, start=1):
        last = position == len(revoked)
        changes.say(factor_revoked(asked, account, factor, reason="recovery", is_last=last))
    for factor in locked.factors:
        if not factor.is_held and factor.id in ended:
            expired = events.FactorExpired(factor_id=factor.id, factor_type=factor.type)
            changes.say([say(asked, account, expired)])
    return revoked


async def _cancel_all(asked: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> None:
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    cancelled = await cancel_challenges(
        uow.conn, account.tenant_id, [challenge.id for challenge in open_ones], at=account.now
    )
    changes.say(challenge_cancelled(asked, account, cancelled, "recovery"))
