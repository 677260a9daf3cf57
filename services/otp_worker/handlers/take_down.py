"""The end of an account's second factor as a whole: by a recovery, or by an admin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.announcements import Cause, challenge_cancelled, factor_revoked, say
from services.otp_worker.domain.account import Account, without_codes, without_proofs
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.throttle import Throttle
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import Locked
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.backup_codes import void_backup_codes
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.factors import end_factors
from shared.contracts import events
from shared.messaging.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What is gone: the factors that the account relied on, and how many devices were trusted."""

    factors: Sequence[Factor]
    devices: int


async def take_down(asked: Cause, uow: UnitOfWork, changes: Changes, locked: Locked, reason: str) -> TakenDown:
    """Factors revoked, seeds erased, codes void, trusts and open challenges ended; the throttle starts afresh."""
    account = locked.account
    ended = set(
        await end_factors(uow.conn, account.tenant_id, account.id, [each.id for each in locked.factors], at=account.now)
    )
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    await _cancel_all(asked, uow, changes, account, reason)
    state = without_proofs(without_codes(account.state), account.now)
    changes.keep(account, replace(state, throttle=Throttle()))
    devices = await end_trusts(asked, uow, changes, account, reason)
    revoked = [factor for factor in locked.held if factor.id in ended]
    for position, factor in enumerate(revoked, start=1):
        last = position == len(revoked)
        changes.say(factor_revoked(asked, account, factor, reason=reason, is_last=last))
    for factor in locked.factors:
        if not factor.is_held and factor.id in ended:
            expired = events.FactorExpired(factor_id=factor.id, factor_type=factor.type)
            changes.say([say(asked, account, expired)])
    return TakenDown(revoked, devices)


async def _cancel_all(asked: Cause, uow: UnitOfWork, changes: Changes, account: Account, reason: str) -> None:
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    cancelled = await cancel_challenges(
        uow.conn, account.tenant_id, [challenge.id for challenge in open_ones], at=account.now
    )
    changes.say(challenge_cancelled(asked, account, cancelled, reason))
