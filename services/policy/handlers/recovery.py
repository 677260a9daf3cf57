"""Recovery by the account's mailbox: asked for, proved, shown, cancelled, denied."""

import math

from services.policy.announcements import recovery_view
from services.policy.deps import Deps
from services.policy.domain.recovery_request import (
    ATTACK,
    COUNTED_WITHIN,
    DRAFT_LIFETIME,
    MayNot,
    MayStart,
    RecoveryRequest,
    draft_timer,
    may_start,
    ready_at,
    recovery_subjects,
)
from services.policy.handlers.case import Case, may_not_act, open_case
from services.policy.handlers.recovery_end import announce_waiting, cancel_recovery, close_challenge, end_recovery
from services.policy.queries.recovery_requests import (
    end_request,
    find_request,
    insert_request,
    open_request,
    record_attack,
    replace_challenge,
    requests_since,
    start_waiting,
)
from services.policy.queries.timers import arm_timers, cancel_timers
from shared.contracts import events
from shared.contracts.commands import CancelRecovery, DenyRecovery, OpenRecoveryChallenge, ReadRecovery, StartRecovery
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, Contact, RecoveryId, RecoveryState
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def start_recovery(message: Envelope[StartRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Asked "can't access your device?". An open request is returned unchanged: asking again never restarts it."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    request = await _still_open(case)
    if request is not None:
        return Ok(recovery_view(await _with_challenge(case, request, standing.account.mailbox_at(case.now))))
    earlier = await requests_since(case.conn, case.tenant_id, case.account_id, case.now - COUNTED_WITHIN)
    match may_start(standing, earlier, case.now):
        case MayNot(code, retry_after, detail):
            seconds = math.ceil(retry_after.total_seconds()) if retry_after is not None else None
            return refuse(code, detail=detail, retry_after_seconds=seconds)
        case MayStart(mailbox):
            return Ok(recovery_view(await _draft(case, mailbox, message.data)))


async def _still_open(case: Case) -> RecoveryRequest | None:
    """The open request; a draft whose time is over ends here, if its timer has not said so yet."""
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is None or not request.is_draft_over(case.now):
        return request
    await expire_draft(case, request)
    return None


async def expire_draft(case: Case, request: RecoveryRequest) -> None:
    """``draft → expired``."""
    if await end_request(case.conn, case.tenant_id, request.recovery_id, RecoveryState.EXPIRED, "not_proved", case.now):
        await cancel_timers(case.conn, case.tenant_id, recovery_subjects(request.recovery_id))
        case.say(events.RecoveryExpired(recovery_id=request.recovery_id))
        close_challenge(case, request)


async def _draft(case: Case, mailbox: Contact, asked: StartRecovery) -> RecoveryRequest:
    request = RecoveryRequest(
        recovery_id=RecoveryId(case.deps.new_id()),
        account_id=case.account_id,
        state=RecoveryState.DRAFT,
        challenge_id=ChallengeId(case.deps.new_id()),
        challenge_opened_at=case.now,
        mailbox_masked=mailbox.masked,
        requested_at=case.now,
        draft_until=case.now + DRAFT_LIFETIME,
    )
    await insert_request(case.conn, case.tenant_id, request, asked.context.model_dump(exclude_none=True))
    await arm_timers(case.conn, case.cause, [draft_timer(request)])
    case.say(events.RecoveryRequested(recovery_id=request.recovery_id), _challenge(request, mailbox))
    return request


async def _with_challenge(case: Case, request: RecoveryRequest, mailbox: Contact | None) -> RecoveryRequest:
    """A draft outlives its first code: once that has expired, asking again mails another, and nothing else changes."""
    if mailbox is None or not request.needs_challenge(case.now):
        return request
    challenge_id = ChallengeId(case.deps.new_id())
    await replace_challenge(
        case.conn, case.tenant_id, request.recovery_id, challenge_id=challenge_id, mailbox=mailbox.masked, now=case.now
    )
    renewed = await find_request(case.conn, case.tenant_id, request.recovery_id)
    assert renewed is not None
    case.say(_challenge(renewed, mailbox))
    return renewed


def _challenge(request: RecoveryRequest, mailbox: Contact) -> OpenRecoveryChallenge:
    return OpenRecoveryChallenge(recovery_id=request.recovery_id, challenge_id=request.challenge_id, mailbox=mailbox)


async def start_waiting_period(
    message: Envelope[events.ChallengeVerified], recovery_id: RecoveryId, uow: UnitOfWork, deps: Deps
) -> Outcome:
    """The mailbox is proved. The period starts now, not when the code was typed: news that was held up must not
    shorten the time in which the owner can say no.
    """
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is None:
        return Done()
    at = ready_at(standing, case.now)
    if await start_waiting(case.conn, case.tenant_id, recovery_id, proved_at=case.now, ready_at=at):
        await cancel_timers(case.conn, case.tenant_id, recovery_subjects(recovery_id))
        await announce_waiting(case, standing, recovery_id)
    return Done()


async def read_recovery(message: Envelope[ReadRecovery], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """The account's newest request, or one by its id."""
    if message.data.recovery_id is not None:
        request = await find_request(uow.conn, message.tenant_id, message.data.recovery_id)
        return Ok(recovery_view(request)) if request is not None else refuse(RefusalCode.RECOVERY_NOT_FOUND)
    found = await requests_since(uow.conn, message.tenant_id, message.account_id or "", message.time)
    return Ok(recovery_view(found[0])) if found else refuse(RefusalCode.RECOVERY_NOT_FOUND)


async def cancel_by_request(message: Envelope[CancelRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """By the link of a notice, or signed in. A second click on the link finds it done."""
    wanted, tenant_id = message.data, message.tenant_id
    request = await find_request(uow.conn, tenant_id, wanted.recovery_id)
    if request is None or message.account_id not in (None, request.account_id):
        return refuse(RefusalCode.RECOVERY_NOT_FOUND)
    is_by_link = wanted.token is not None
    if is_by_link and not deps.cancel_links.is_genuine(tenant_id, wanted.recovery_id, wanted.token or ""):
        return refuse(RefusalCode.RECOVERY_NOT_FOUND)
    if not is_by_link and message.account_id is None:
        return refuse(RefusalCode.RECOVERY_NOT_FOUND)
    case = await open_case(message, uow, deps, account_id=request.account_id)
    if wanted.acting is not None and (refused := await may_not_act(case, wanted.acting)) is not None:
        return refused
    reason = ATTACK if wanted.is_attack else "cancelled_by_link" if is_by_link else "cancelled"
    return await _cancel(case, wanted.recovery_id, reason)


async def _cancel(case: Case, recovery_id: RecoveryId, reason: str) -> Outcome:
    request = await find_request(case.conn, case.tenant_id, recovery_id)
    assert request is not None
    is_news = False
    if await cancel_recovery(case, request, await case.standing(), reason):
        is_news = True
    elif request.state is not RecoveryState.CANCELLED:
        return refuse(RefusalCode.RECOVERY_OVER)
    elif reason == ATTACK:
        is_news = await record_attack(case.conn, case.tenant_id, recovery_id)
    if is_news and reason == ATTACK:
        case.say(events.RecoveryAttack(recovery_id=recovery_id), events.SessionsShouldEnd(reason="recovery_attack"))
    after = await find_request(case.conn, case.tenant_id, recovery_id)
    assert after is not None
    return Ok(recovery_view(after))


async def deny_recovery(message: Envelope[DenyRecovery], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An admin says no."""
    case = await open_case(message, uow, deps)
    wanted = message.data
    if (refused := await may_not_act(case, wanted.acting)) is not None:
        return refused
    request = await find_request(case.conn, case.tenant_id, wanted.recovery_id)
    if request is None or request.account_id != case.account_id:
        return refuse(RefusalCode.RECOVERY_NOT_FOUND)
    said = events.RecoveryDenied(recovery_id=request.recovery_id, reason=wanted.reason)
    standing = await case.standing()
    if not await end_recovery(case, request, standing, RecoveryState.DENIED, wanted.reason, said):
        return refuse(RefusalCode.RECOVERY_OVER)
    after = await find_request(case.conn, case.tenant_id, request.recovery_id)
    assert after is not None
    return Ok(recovery_view(after))
