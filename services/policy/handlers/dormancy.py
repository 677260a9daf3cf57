"""Factors that lie dormant under SSO: the timer is armed, cancelled, and looks again when its time has come."""

from services.policy.deps import Deps
from services.policy.domain.dormancy import DORMANT_FOR, dormancy_subject, dormancy_timers, dormant_until
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, open_case
from services.policy.queries.timers import arm_timers, cancel_timers
from shared.contracts.commands import EndDormancy, RemoveUnusedFactors
from shared.contracts.envelope import Envelope
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def watch_dormancy(case: Case, standing: Standing) -> None:
    """Bring the timer in line with where the account stands. Said again, it changes nothing."""
    timers = dormancy_timers(standing)
    if timers:
        await arm_timers(case.conn, case.cause, timers)
    else:
        await cancel_timers(case.conn, case.tenant_id, [dormancy_subject(case.account_id)])


async def end_dormancy(message: Envelope[EndDormancy], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Ninety days may be over: who has used a factor meanwhile keeps them for ninety more."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    until = dormant_until(standing) if standing is not None else None
    if standing is None or until is None:
        return Done()
    if case.now < until:
        await watch_dormancy(case, standing)
    else:
        case.say(RemoveUnusedFactors(unused_since=until - DORMANT_FOR))
    return Done()
