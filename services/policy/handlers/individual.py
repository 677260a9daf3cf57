"""What an admin asks of, or grants to, one account alone: a requirement, an exemption, more time."""

from services.policy.announcements import account_view
from services.policy.deps import Deps
from services.policy.domain.individual import (
    Individual,
    OutOfRange,
    after_change,
    after_clearing,
    individual_of,
    opens_account,
)
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, may_not_act, open_case, tell
from services.policy.handlers.requirement import give_notice
from services.policy.queries.enforcements import store_individual
from shared.contracts import events
from shared.contracts.commands import ChangeEnforcement, ClearEnforcement
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Acting
from shared.messaging.outcome import Ok, Outcome, Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def change_enforcement(message: Envelope[ChangeEnforcement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Require or exempt the account, or extend its deadline. A promise made is kept for a day at least."""
    case = await open_case(message, uow, deps)
    before = await case.standing()
    if before is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    is_overdue = before.is_overdue_at(case.now)
    after = after_change(individual_of(before), message.data, case.now, is_overdue=is_overdue)
    if (refused := await _may_not(case, message.data.acting, before, after)) is not None:
        return refused
    match after:
        case OutOfRange(field):
            return refuse(RefusalCode.UNTIL_OUT_OF_RANGE, detail=f"`{field}` is past, or more than 366 days ahead.")
        case Individual():
            return await _store(case, before, after, message.data)


async def clear_enforcement(message: Envelope[ClearEnforcement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Back to what the policy says."""
    case = await open_case(message, uow, deps)
    before = await case.standing()
    if before is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    after = after_clearing(individual_of(before), case.now, is_overdue=before.is_overdue_at(case.now))
    if (refused := await _may_not(case, message.data.acting, before, after)) is not None:
        return refused
    return await _store(case, before, after, message.data)


async def _may_not(
    case: Case, acting: Acting | None, before: Standing, after: Individual | OutOfRange
) -> Refused | None:
    opens = isinstance(after, Individual) and opens_account(individual_of(before), after)
    return await may_not_act(case, acting, opens_account=opens)


async def _store(
    case: Case, before: Standing, individual: Individual, asked: ChangeEnforcement | ClearEnforcement
) -> Outcome:
    """Store it and tell the account everywhere; asked again, nothing is said again."""
    if individual == individual_of(before):
        return Ok(account_view(before, case.now))
    await store_individual(case.conn, case.tenant_id, case.account_id, individual)
    after = await case.standing()
    assert after is not None
    enforcement = after.enforcement_at(case.now)
    until = {"deadline": enforcement.deadline, "exempt_until": enforcement.exempt_until}
    approver = asked.acting.approver if asked.acting is not None else None
    case.say(events.EnforcementChanged(state=enforcement.state, **until, reason=asked.reason, approver=approver))
    await give_notice(case.cause, case.uow, case.deps, [after], case.now, reason=asked.reason, is_told=True)
    await tell(case, after.account, Notification.ENFORCEMENT_CHANGED, {"happened_at": case.now, **until})
    return Ok(account_view(after, case.now))
