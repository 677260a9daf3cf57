"""What stops an open recovery, or puts it off."""

from services.policy.domain.recovery_request import (
    RecoveryRequest,
    ready_at,
    recovery_subjects,
    told_end,
    waiting_timers,
)
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, tell
from services.policy.handlers.recovery_notices import tell_of_recovery
from services.policy.queries.recovery_requests import end_request, find_request, open_request, put_off
from services.policy.queries.timers import arm_timers, cancel_timers
from shared.contracts import events
from shared.contracts.commands import CancelChallenges
from shared.contracts.envelope import Event
from shared.contracts.notifications import Notification
from shared.contracts.types import RecoveryId, RecoveryState


async def end_recovery(
    case: Case, request: RecoveryRequest, standing: Standing | None, state: RecoveryState, reason: str, said: Event
) -> bool:
    """End an open request and everything that waits for it; False: it is over, or being executed.

    Who was told that it waits is told that it stopped.
    """
    if not await end_request(case.conn, case.tenant_id, request.recovery_id, state, reason, case.now):
        return False
    await cancel_timers(case.conn, case.tenant_id, recovery_subjects(request.recovery_id))
    case.say(said)
    close_challenge(case, request)
    if request.state is RecoveryState.WAITING and standing is not None:
        params = {"happened_at": case.now, "cause": told_end(state, reason)}
        await tell(case, standing.account, Notification.RECOVERY_CANCELLED, params, request.recovery_id)
    return True


def close_challenge(case: Case, request: RecoveryRequest) -> None:
    """The code that was mailed for a draft proves nothing any more: nobody shall be asked for it."""
    if request.state is RecoveryState.DRAFT:
        case.say(CancelChallenges(reason="recovery_over", challenge_id=request.challenge_id))


async def cancel_recovery(case: Case, request: RecoveryRequest, standing: Standing | None, reason: str) -> bool:
    """``→ cancelled``; False as in `end_recovery`."""
    said = events.RecoveryCancelled(recovery_id=request.recovery_id, reason=reason)
    return await end_recovery(case, request, standing, RecoveryState.CANCELLED, reason, said)


async def cancel_open_recovery(case: Case, standing: Standing, reason: str) -> None:
    """Cancel the account's open request, if there is one."""
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is not None:
        await cancel_recovery(case, request, standing, reason)


async def put_off_recovery(case: Case, standing: Standing) -> None:
    """Password or address changed while a recovery waits: it waits longer, and everybody hears the new hour."""
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is None or request.proved_at is None or request.ready_at is None:
        return
    later = max(request.ready_at, ready_at(standing, request.proved_at))
    if await put_off(case.conn, case.tenant_id, request.recovery_id, ready_at=later, delays=request.delays):
        await announce_waiting(case, standing, request.recovery_id)


async def announce_waiting(case: Case, standing: Standing, recovery_id: RecoveryId) -> None:
    """A request waits, or waits longer: the event, its timers, and notices with a link to cancel on every channel."""
    request = await find_request(case.conn, case.tenant_id, recovery_id)
    assert request is not None
    assert request.ready_at is not None
    case.say(events.RecoveryWaiting(recovery_id=recovery_id, ready_at=request.ready_at))
    await arm_timers(case.conn, case.cause, waiting_timers(request, case.now))
    await tell_of_recovery(case, standing.account, Notification.RECOVERY_WAITING, request)
