"""The way out of a lock."""

import datetime as dt

from services.policy.announcements import account_view
from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_timers
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, may_not_act, open_case, tell
from services.policy.queries.enforcements import extend
from services.policy.queries.timers import arm_timers
from shared.contracts import events
from shared.contracts.commands import Unlock
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EnforcementState
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_UNLOCKABLE = (EnforcementState.LOCKED_OUT, EnforcementState.MUST_ENROL, EnforcementState.GRACE)


async def unlock(message: Envelope[Unlock], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Open an account until some hours from now; then it closes again by itself."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    if (refused := await may_not_act(case, message.data.acting, opens_account=True)) is not None:
        return refused
    if standing.enforcement_at(case.now).state not in _UNLOCKABLE:
        return refuse(RefusalCode.NOT_LOCKED_OUT)
    until = max(case.now + dt.timedelta(hours=message.data.hours), standing.extended_until or case.now)
    await extend(case.conn, case.tenant_id, case.account_id, until, case.now)
    after = await case.standing()
    assert after is not None
    await _announce_unlock(case, after, until, message.data)
    return Ok(account_view(after, case.now))


async def _announce_unlock(case: Case, after: Standing, until: dt.datetime, asked: Unlock) -> None:
    approver = asked.acting.approver if asked.acting is not None else None
    case.say(events.EnforcementUnlocked(until=until, reason=asked.reason, approver=approver))
    await arm_timers(case.conn, case.cause, enforcement_timers(after, after.enforcement_at(case.now), case.now))
    await tell(case, after.account, Notification.UNLOCKED, {"happened_at": case.now, "until": until})
