"""The owner says "this was not me": whatever somebody else may have begun with the account ends."""

from dataclasses import replace

from services.otp_worker.announcements import Cause, challenge_cancelled
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, without_proofs
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.enrolment import expire_pending
from services.otp_worker.handlers.locked import lock
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.backup_codes import void_recovery_code
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.erasures import is_from_before
from services.otp_worker.queries.pending_codes import void_pending_codes
from shared.contracts.envelope import Envelope
from shared.contracts.events import NoticeDisputed, RecoveryAttack
from shared.contracts.types import Purpose
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork

REASON = "disputed"


async def note_dispute(told: Envelope[NoticeDisputed] | Envelope[RecoveryAttack], uow: UnitOfWork, _: Deps) -> Outcome:
    """No device passes without a code any more; a recovery code that an admin made and nobody used opens nothing; an
    enrolment that was begun is not finished, nor is a login; and what was shown before, by whatever it was, changes
    nothing any more and stands behind no admin's word.

    No active factor goes: who reads the owner's mail could else turn the second factor off by pressing a button. News
    of who had the id before do nothing.
    """
    locked = await lock(uow, told.tenant_id, told.account_id)
    if locked is None or await is_from_before(uow.conn, *locked.account.key, told.time):
        return Done()
    account, changes = locked.account, Changes()
    await void_recovery_code(uow.conn, *account.key, at=account.now)
    await void_pending_codes(uow.conn, *account.key, at=account.now)
    changes.keep(account, replace(without_proofs(account.state, account.now), disputed_at=account.now))
    await expire_pending(told, uow, changes, account, locked.factors, REASON)
    await _cancel(told, uow, changes, account)
    await end_trusts(told, uow, changes, account, REASON)
    await changes.store(uow)
    return Done()


async def _cancel(told: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> None:
    """Open challenges. Those of a recovery are policy's to end, with their request, or not."""
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    ids = [challenge.id for challenge in open_ones if challenge.purpose is not Purpose.RECOVERY]
    cancelled = await cancel_challenges(uow.conn, account.tenant_id, ids, at=account.now)
    changes.say(challenge_cancelled(told, account, cancelled, REASON))
