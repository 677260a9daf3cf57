"""What the enforcement timers fire, and the way out of a lock. Each decision looks at the moment, not at the timer."""

import datetime as dt

from services.policy.announcements import account_locked_out, account_view
from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_timers
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, may_not_act, open_case, tell
from services.policy.queries.enforcements import extend, record_lock
from services.policy.queries.policies import hold_policy
from services.policy.queries.timers import arm_timers
from shared.contracts import events
from shared.contracts.commands import LockOutAccount, RemindOfEnforcement, Unlock
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EnforcementState
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_UNLOCKABLE = (EnforcementState.LOCKED_OUT, EnforcementState.MUST_ENROL, EnforcementState.GRACE)


async def remind_of_enforcement(message: Envelope[RemindOfEnforcement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Remind, if the account still has until this deadline and has not enrolled."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    deadline = message.data.deadline
    if standing is None:
        return Done()
    enforcement = standing.enforcement_at(case.now)
    if enforcement.state is not EnforcementState.GRACE or enforcement.deadline != deadline:
        return Done()
    case.say(events.EnforcementReminded(stage=message.data.stage, deadline=deadline))
    params = {"deadline": deadline, "left": deadline - case.now}
    await tell(case, standing.account, Notification.ENFORCEMENT_REMINDER, params)
    return Done()


async def lock_out_account(message: Envelope[LockOutAccount], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Announce the lock, once. Factors are read under the account's lock: who has just enrolled is not locked out."""
    case = await open_case(message, uow, deps)
    await hold_policy(case.conn, case.tenant_id)
    standing = await case.standing()
    if standing is None:
        return Done()
    enforcement = standing.enforcement_at(case.now)
    if enforcement.locks_at is not None:
        await arm_timers(case.conn, message, enforcement_timers(standing, enforcement, case.now))
    elif enforcement.state is EnforcementState.LOCKED_OUT and enforcement.deadline is not None:
        await _announce_lock(case, standing, enforcement.deadline)
    return Done()


async def _announce_lock(case: Case, standing: Standing, deadline: dt.datetime) -> None:
    if not await record_lock(case.conn, case.tenant_id, case.account_id, deadline, case.now):
        return
    case.say(account_locked_out(standing, deadline), events.SessionsShouldEnd(reason="enforcement_locked_out"))
    params = {"happened_at": case.now, "may_enrol": standing.policy.enrol_when_locked_out}
    await tell(case, standing.account, Notification.LOCKED_OUT, params)


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
    await _announce_unlock(case, until, message.data)
    after = await case.standing()
    assert after is not None
    return Ok(account_view(after, case.now))


async def _announce_unlock(case: Case, until: dt.datetime, asked: Unlock) -> None:
    after = await case.standing()
    assert after is not None
    approver = asked.acting.approver if asked.acting is not None else None
    case.say(events.EnforcementUnlocked(until=until, reason=asked.reason, approver=approver))
    await arm_timers(case.conn, case.cause, enforcement_timers(after, after.enforcement_at(case.now), case.now))
    await tell(case, after.account, Notification.UNLOCKED, {"happened_at": case.now, "until": until})
