"""What is under way ends when an account no longer signs in with a second factor of ours, or not at all."""

from services.otp_worker.announcements import challenge_cancelled, say
from services.otp_worker.deps import Deps
from services.otp_worker.handlers.locked import lock
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.erasures import is_from_before
from services.otp_worker.queries.factors import end_factors
from shared.contracts import events
from shared.contracts.commands import CancelChallenges
from shared.contracts.envelope import Envelope
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def cancel_challenges_of(asked: Envelope[CancelChallenges], uow: UnitOfWork, _: Deps) -> Outcome:
    """End open challenges, and pending factors, whose challenges they are. Active factors stay, and lie dormant. What
    was said of who had the id before ends nothing.
    """
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None or await is_from_before(uow.conn, *locked.account.key, asked.time):
        return Done()
    account = locked.account
    if asked.data.challenge_id is not None:
        one = await cancel_challenges(uow.conn, account.tenant_id, [asked.data.challenge_id], at=account.now)
        uow.publish(*challenge_cancelled(asked, account, one, asked.data.reason))
        return Done()
    pending = [factor for factor in locked.factors if not factor.is_held]
    ended = await end_factors(
        uow.conn, account.tenant_id, account.id, [factor.id for factor in pending], at=account.now
    )
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    ids = [challenge.id for challenge in open_ones]
    cancelled = await cancel_challenges(uow.conn, account.tenant_id, ids, at=account.now)
    uow.publish(*challenge_cancelled(asked, account, cancelled, asked.data.reason))
    for factor in pending:
        if factor.id in ended:
            uow.publish(say(asked, account, events.FactorExpired(factor_id=factor.id, factor_type=factor.type)))
    return Done()
