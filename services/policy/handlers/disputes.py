"""The owner said of a notice "this was not me"."""

from services.policy.deps import Deps
from services.policy.domain.recovery_request import ATTACK
from services.policy.handlers.admins import tell_admins
from services.policy.handlers.case import Case, open_case
from services.policy.handlers.recovery_end import cancel_recovery
from services.policy.queries.recovery_requests import open_request
from shared.contracts import events
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def notice_disputed(message: Envelope[events.NoticeDisputed], uow: UnitOfWork, deps: Deps) -> Outcome:
    """What a stranger may have begun ends: sessions, and an open recovery that the notice is no older than. The admins
    hear of it, once an incident.
    """
    case, fact = await open_case(message, uow, deps), message.data
    standing = await case.standing()
    if standing is None or message.time < standing.account.created_at:  # it was who had the id before
        return Done()
    await _cancel_as_attack(case, fact)
    case.say(events.SessionsShouldEnd(reason="notice_disputed"))
    if not fact.is_repeated:
        params = {"account": case.account_id, "disputed": fact.notification, "happened_at": fact.happened_at}
        await tell_admins(case, standing.account, Notification.DISPUTE_FOR_ADMINS, params)
    return Done()


async def _cancel_as_attack(case: Case, fact: events.NoticeDisputed) -> None:
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is None or not request.is_answered_by(fact.recovery_id, fact.said_at):
        return
    if await cancel_recovery(case, request, await case.standing(), ATTACK):
        case.say(events.RecoveryAttack(recovery_id=request.recovery_id))
