"""What an admin asks of, or grants to, one account alone: a requirement, an exemption, more time."""

from services.policy.announcements import account_view
from services.policy.deps import Deps
from services.policy.domain.individual import Individual, OutOfRange, after_change, after_clearing, individual_of
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
    before = await _changeable(case, message.data.acting)
    if isinstance(before, Refused):
        return before
    match after_change(individual_of(before), message.data, case.now):
        case OutOfRange(field):
            return refuse(RefusalCode.UNTIL_OUT_OF_RANGE, detail=f"`{field}` is past, or more than 366 days ahead.")
        case Individual() as individual:
            return await _store(case, before, individual, message.data.reason)


async def clear_enforcement(message: Envelope[ClearEnforcement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Back to what the policy says."""
    case = await open_case(message, uow, deps)
    before = await _changeable(case, message.data.acting)
    if isinstance(before, Refused):
        return before
    return await _store(case, before, after_clearing(individual_of(before), case.now), message.data.reason)


async def _changeable(case: Case, acting: Acting | None) -> Standing | Refused:
    standing = await case.standing()
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    return await may_not_act(case, acting) or standing


async def _store(case: Case, before: Standing, individual: Individual, reason: str) -> Outcome:
    """Store it and tell the account everywhere; asked again, nothing is said again."""
    if individual == individual_of(before):
        return Ok(account_view(before, case.now))
    await store_individual(case.conn, case.tenant_id, case.account_id, individual)
    after = await case.standing()
    assert after is not None
    enforcement = after.enforcement_at(case.now)
    until = {"deadline": enforcement.deadline, "exempt_until": enforcement.exempt_until}
    case.say(events.EnforcementChanged(state=enforcement.state, **until, reason=reason))
    await give_notice(case.cause, case.uow, case.deps, [after], case.now, reason=reason, is_told=True)
    await tell(case, after.account, Notification.ENFORCEMENT_CHANGED, {"happened_at": case.now, **until})
    return Ok(account_view(after, case.now))
