"""Our part of a recovery: the code that proves the mailbox, and, a day later, the end of the second factor."""

from dataclasses import replace

from services.otp_worker.announcements import (
    challenge_issued,
    notice_elsewhere,
    say,
)
from services.otp_worker.deps import Deps
from services.otp_worker.domain.sending import Send, decide_send
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import Destination, send_code
from services.otp_worker.handlers.locked import lock
from services.otp_worker.handlers.logins import new_challenge
from services.otp_worker.handlers.take_down import take_down
from services.otp_worker.queries.erasures import is_from_before
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
    if locked is None or await is_from_before(uow.conn, *locked.account.key, asked.time):
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
    if locked is None or await is_from_before(uow.conn, *locked.account.key, asked.time):
        return Done()
    account, last = locked.account, locked.account.state.last_success_at
    if last is not None and last > asked.data.requested_at:
        refused = ConcludeRecovery(recovery_id=asked.data.recovery_id, is_executed=False)
        uow.publish(say(asked, account, refused))
        return Done()
    changes = Changes()
    gone = (await take_down(asked, uow, changes, locked, "recovery")).factors
    concluded = ConcludeRecovery(recovery_id=asked.data.recovery_id, is_executed=True, revoked_factors=len(gone))
    changes.say([say(asked, account, concluded)])
    if gone:
        changes.say([say(asked, account, events.SessionsShouldEnd(reason="recovery"))])
        changes.say(notice_elsewhere(asked, account, gone, Notification.RECOVERY_EXECUTED))
    await changes.store(uow)
    return Done()
