"""What otp_worker's facts mean here: somebody has enrolled, somebody can sign in."""

from collections.abc import Sequence

from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_subjects
from services.policy.domain.recovery_request import is_real_success
from services.policy.handlers.case import Case, open_case
from services.policy.handlers.dormancy import watch_dormancy
from services.policy.handlers.recovery import start_waiting_period
from services.policy.handlers.recovery_end import cancel_recovery, end_recovery
from services.policy.queries.enforcements import forget_announcements, require_enrolment
from services.policy.queries.recovery_requests import accounts_in_recovery, open_request
from services.policy.queries.timers import cancel_timers
from shared.contracts import events
from shared.contracts.envelope import Envelope
from shared.contracts.types import EnforcementState, Purpose, RecoveryState
from shared.db.connection import Connection
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


async def bears_on_recovery(news: Sequence[Envelope[events.ChallengeVerified]], conn: Connection) -> list[bool]:
    """Which of these have to do with a recovery: of the logins of a day, nearly none.

    Without the account's lock, for which the next login may be waiting. A recovery that is asked for at this moment is
    not seen, nor would it have been a moment earlier; otp_worker, which knows of the success, refuses to execute it.
    """
    successes = {(each.tenant_id, each.account_id or "") for each in news if _is_success(each.data)}
    recovering = await accounts_in_recovery(conn, successes) if successes else set()
    return [
        _proves_mailbox(each.data) or (_is_success(each.data) and (each.tenant_id, each.account_id or "") in recovering)
        for each in news
    ]


async def challenge_verified(message: Envelope[events.ChallengeVerified], uow: UnitOfWork, deps: Deps) -> Outcome:
    """The mailbox of a recovery was proved, or a real success shows that none is needed."""
    fact = message.data
    if fact.purpose is Purpose.RECOVERY and fact.recovery_id is not None:
        return await start_waiting_period(message, fact.recovery_id, uow, deps)
    if _is_success(fact):
        await _cancel_recovery_before(await open_case(message, uow, deps), message, "signed_in")
    return Done()


def _proves_mailbox(fact: events.ChallengeVerified) -> bool:
    return fact.purpose is Purpose.RECOVERY and fact.recovery_id is not None


def _is_success(fact: events.ChallengeVerified) -> bool:
    return is_real_success(fact.purpose, fact.method, by_factor=fact.factor_id is not None)


async def _cancel_recovery_before(
    case: Case,
    message: Envelope[events.FactorConfirmed] | Envelope[events.ChallengeVerified] | Envelope[events.AccountReset],
    reason: str,
) -> None:
    """What happened before the request says nothing against it, however late its news arrives."""
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is not None and request.requested_at <= message.time:
        await cancel_recovery(case, request, await case.standing(), reason)
