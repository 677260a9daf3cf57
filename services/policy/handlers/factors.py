"""What otp_worker's facts mean here: somebody has enrolled, somebody can sign in."""

from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_subjects
from services.policy.domain.recovery_request import is_real_success
from services.policy.handlers.case import Case, open_case
from services.policy.handlers.dormancy import watch_dormancy
from services.policy.handlers.recovery import start_waiting_period
from services.policy.handlers.recovery_end import cancel_recovery, end_recovery
from services.policy.queries.enforcements import forget_announcements, require_enrolment
from services.policy.queries.recovery_requests import open_request
from services.policy.queries.timers import cancel_timers
from shared.contracts import events
from shared.contracts.envelope import Envelope
from shared.contracts.types import EnforcementState, Purpose, RecoveryState
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def factor_confirmed(message: Envelope[events.FactorConfirmed], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Enrolled: no reminder and no lock is to come, and whoever can enrol has lost nothing that needs recovering."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is None or message.time < standing.account.created_at:  # it was who had the id before
        return Done()
    is_satisfied = standing.enforcement_at(case.now).state is EnforcementState.SATISFIED
    if is_satisfied and message.data.is_first:
        await cancel_timers(case.conn, case.tenant_id, enforcement_subjects(case.account_id))
        await forget_announcements(case.conn, case.tenant_id, [case.account_id])
        case.say(events.EnforcementSatisfied())
    await watch_dormancy(case, standing)
    await _cancel_recovery_before(case, message, "factor_added")
    return Done()


async def factor_revoked(message: Envelope[events.FactorRevoked], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Without a factor there is nothing to recover: an open request is superseded, unless it did this itself, or a
    reset did, which says so.
    """
    if not message.data.is_last or message.data.reason == "reset":
        return Done()
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if standing is None or request is None or standing.held_factors > 0:
        return Done()
    if message.time < standing.account.created_at:  # it was who had the id before
        return Done()
    said = events.RecoverySuperseded(recovery_id=request.recovery_id)
    await end_recovery(case, request, standing, RecoveryState.SUPERSEDED, message.data.reason, said)
    return Done()


async def account_was_reset(message: Envelope[events.AccountReset], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An admin took the factors off: where one is required the next login enrols, whatever was granted before."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is None or message.time < standing.account.created_at:  # it was who had the id before
        return Done()
    await _cancel_recovery_before(case, message, "admin_reset")
    if message.data.revoked_factors:
        await require_enrolment(case.conn, case.tenant_id, case.account_id, case.now)
        await cancel_timers(case.conn, case.tenant_id, enforcement_subjects(case.account_id))
    return Done()


async def challenge_verified(message: Envelope[events.ChallengeVerified], uow: UnitOfWork, deps: Deps) -> Outcome:
    """The mailbox of a recovery was proved, or a real success shows that none is needed."""
    fact = message.data
    if fact.purpose is Purpose.RECOVERY and fact.recovery_id is not None:
        return await start_waiting_period(message, fact.recovery_id, uow, deps)
    if not is_real_success(fact.purpose, fact.method, by_factor=fact.factor_id is not None):
        return Done()
    if await open_request(uow.conn, message.tenant_id, message.account_id or "") is None:
        return Done()  # nearly always: without the account's lock, for which the next login may be waiting
    await _cancel_recovery_before(await open_case(message, uow, deps), message, "signed_in")
    return Done()


async def _cancel_recovery_before(
    case: Case,
    message: Envelope[events.FactorConfirmed] | Envelope[events.ChallengeVerified] | Envelope[events.AccountReset],
    reason: str,
) -> None:
    """What happened before the request says nothing against it, however late its news arrives."""
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is not None and request.requested_at <= message.time:
        await cancel_recovery(case, request, await case.standing(), reason)
