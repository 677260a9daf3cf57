"""What the timers of a recovery fire, and how its execution ends."""

import structlog

from services.policy.deps import Deps
from services.policy.domain.recovery_request import (
    UNHEARD,
    UNHEARD_DELAY,
    RecoveryRequest,
    is_heard,
    recovery_subjects,
    told_end,
    waiting_timers,
)
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, open_case, tell
from services.policy.handlers.recovery import expire_draft
from services.policy.handlers.recovery_end import announce_waiting, cancel_recovery
from services.policy.handlers.recovery_notices import could_be_heard, tell_of_recovery
from services.policy.queries.enforcements import require_enrolment
from services.policy.queries.recovery_requests import (
    conclude_request,
    find_request,
    put_off,
    record_heard,
    start_executing,
)
from services.policy.queries.timers import arm_timers, cancel_timers
from shared.contracts import events
from shared.contracts.commands import (
    ConcludeRecovery,
    ExecuteRecovery,
    ExpireRecovery,
    FinishRecovery,
    RemindOfRecovery,
)
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, RecoveryState
from shared.messaging.outcome import Discard, Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork

log = structlog.get_logger()

_STAGES = {"half_time": Notification.RECOVERY_HALF_TIME, "last_hour": Notification.RECOVERY_LAST_HOUR}


async def remind_of_recovery(message: Envelope[RemindOfRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Say it again while there is time to cancel."""
    notification = _STAGES.get(message.data.stage)
    if notification is None:
        return Discard("unknown_stage")
    case = await open_case(message, uow, deps)
    request = await find_request(case.conn, case.tenant_id, message.data.recovery_id)
    standing = await case.standing()
    if standing is not None and request is not None and request.is_waiting_at(case.now):
        await tell_of_recovery(case, standing.account, notification, request)
    return Done()


async def finish_recovery(message: Envelope[FinishRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Hand a request whose period is over to otp_worker. The timer was due by the host's clock, too: this is the one
    thing that time alone sets off.
    """
    case = await open_case(message, uow, deps)
    request = await find_request(case.conn, case.tenant_id, message.data.recovery_id)
    standing = await case.standing()
    if standing is None or request is None or request.ready_at is None or not request.may_end:
        return Done()
    if case.now < request.ready_at:
        await arm_timers(case.conn, message, waiting_timers(request, case.now))
    elif request.is_unheard and await could_be_heard(case, standing.account, request):
        await _wait_to_be_heard(case, standing, request)
    elif await start_executing(case.conn, case.tenant_id, request.recovery_id, case.now):
        case.say(ExecuteRecovery(recovery_id=request.recovery_id, requested_at=request.requested_at))
    return Done()


async def _wait_to_be_heard(case: Case, standing: Standing, request: RecoveryRequest) -> None:
    """No provider took a notice to anywhere but the proving mailbox: a delay that nobody heard of protects nobody.

    After three days more it ends: an admin can reset the account, and nobody gets in unheard.
    """
    log.error("recovery_unheard", recovery_id=str(request.recovery_id), delays=request.delays)
    if not request.may_be_delayed:
        await cancel_recovery(case, request, standing, UNHEARD)
        return
    later, delays = case.now + UNHEARD_DELAY, request.delays + 1
    if await put_off(case.conn, case.tenant_id, request.recovery_id, ready_at=later, delays=delays):
        await announce_waiting(case, standing, request.recovery_id)


async def notice_was_sent(message: Envelope[events.NotificationSent], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """A provider took a notice of a recovery, perhaps for somewhere else than the proving mailbox, or for an admin."""
    fact = message.data
    if fact.recovery_id is None:
        return Done()
    request = await find_request(uow.conn, message.tenant_id, fact.recovery_id)
    if request is not None and is_heard(request, fact.notification, Channel(fact.channel), fact.destination):
        await record_heard(uow.conn, message.tenant_id, fact.recovery_id, message.time)
    return Done()


async def expire_recovery(message: Envelope[ExpireRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A draft that nobody proved in time."""
    case = await open_case(message, uow, deps)
    request = await find_request(case.conn, case.tenant_id, message.data.recovery_id)
    if request is not None and request.is_draft_over(case.now):
        await expire_draft(case, request)
    return Done()


async def conclude_recovery(message: Envelope[ConcludeRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """otp_worker has done it, or saw that the person can sign in after all."""
    case = await open_case(message, uow, deps)
    fact = message.data
    state, reason = (RecoveryState.EXECUTED, None) if fact.is_executed else (RecoveryState.CANCELLED, "real_success")
    if not await conclude_request(case.conn, case.tenant_id, fact.recovery_id, state, reason, case.now):
        return Done()
    await cancel_timers(case.conn, case.tenant_id, recovery_subjects(fact.recovery_id))
    params: dict[str, object] = {"happened_at": case.now}
    if fact.is_executed:
        await require_enrolment(case.conn, case.tenant_id, case.account_id, case.now)
        case.say(events.RecoveryExecuted(recovery_id=fact.recovery_id, revoked_factors=fact.revoked_factors))
        notification = Notification.RECOVERY_EXECUTED
    else:
        case.say(events.RecoveryCancelled(recovery_id=fact.recovery_id, reason="real_success"))
        notification, params = Notification.RECOVERY_CANCELLED, params | {"cause": told_end(state, "real_success")}
    standing = await case.standing()
    if standing is not None:
        await tell(case, standing.account, notification, params, fact.recovery_id)
    return Done()
