"""Factors that nobody has used since their account signs in through SSO."""

from services.otp_worker.announcements import notice
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import is_unused_since
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import lock
from services.otp_worker.handlers.take_down import take_down
from services.otp_worker.queries.erasures import is_from_before
from shared.contracts.commands import RemoveUnusedFactors
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def remove_unused_factors(asked: Envelope[RemoveUnusedFactors], uow: UnitOfWork, _: Deps) -> Outcome:
    """Policy has looked at the time; whoever used a factor or left SSO since it did, keeps them all."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None or await is_from_before(uow.conn, *locked.account.key, asked.time):
        return Done()
    account = locked.account
    if not is_unused_since(account, asked.data.unused_since):
        return Done()
    changes = Changes()
    gone = await take_down(asked, uow, changes, locked, "unused")
    if gone.factors:
        changes.say(notice(asked, account, gone.factors, Notification.UNUSED_FACTORS_REMOVED))
    await changes.store(uow)
    return Done()
