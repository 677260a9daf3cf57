"""What the timers of a deadline fire. Each decision looks at the moment, not at the timer."""

from collections.abc import Sequence

from services.policy.announcements import account_locked_out
from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_timers, locks_now, reminds_now
from services.policy.handlers.gate import LOCKED_OUT
from services.policy.handlers.pages import Page, judged, open_pages
from services.policy.queries.enforcements import record_locks
from services.policy.queries.policies import hold_policy
from services.policy.queries.sessions import record_ends_of_sessions
from services.policy.queries.timers import arm_timers
from shared.contracts import events
from shared.contracts.commands import LockOutAccount, RemindOfEnforcement
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.messaging.outcome import ListOutcome
from shared.messaging.unit_of_work import UnitOfWork


async def remind_of_enforcement(
    messages: Sequence[Envelope[RemindOfEnforcement]], uow: UnitOfWork, deps: Deps
) -> Sequence[ListOutcome]:
    """Remind those who still have until this deadline and have not enrolled."""
    pages = await open_pages(messages, uow, deps)
    for page in pages:
        await _remind(page)
    return judged(messages, pages)


async def _remind(page: Page[RemindOfEnforcement]) -> None:
    told = []
    for message, standing in await page.standings():
        deadline = message.data.deadline
        if reminds_now(standing.enforcement_at(page.now), deadline):
            page.say(message, events.EnforcementReminded(stage=message.data.stage, deadline=deadline))
            told.append((message, standing, {"deadline": deadline, "left": deadline - page.now}))
    await page.tell(told, Notification.ENFORCEMENT_REMINDER)


async def lock_out_accounts(
    messages: Sequence[Envelope[LockOutAccount]], uow: UnitOfWork, deps: Deps
) -> Sequence[ListOutcome]:
    """Announce each lock, once. Factors are read under the accounts' locks: who has just enrolled is not locked out."""
    pages = await open_pages(messages, uow, deps)
    for page in pages:
        await hold_policy(page.conn, page.tenant_id)
        await _lock_out(page)
    return judged(messages, pages)


async def _lock_out(page: Page[LockOutAccount]) -> None:
    overdue = {}
    for message, standing in await page.standings():
        enforcement = standing.enforcement_at(page.now)
        if enforcement.locks_at is not None:  # put off since the timer was armed
            await arm_timers(page.conn, message, enforcement_timers(standing, enforcement, page.now))
        elif (deadline := locks_now(standing, enforcement)) is not None:
            overdue[standing.account.account_id] = message, standing, deadline
    if not overdue:
        return
    told = []
    locked = await record_locks(page.conn, page.tenant_id, list(overdue), page.now)
    await record_ends_of_sessions(page.conn, [((page.tenant_id, each), page.now) for each in locked])
    for account_id in locked:
        message, standing, deadline = overdue[account_id]
        page.say(message, account_locked_out(standing, deadline), events.SessionsShouldEnd(reason=LOCKED_OUT))
        params = {"happened_at": page.now, "may_enrol": standing.policy.enrol_when_locked_out}
        told.append((message, standing, params))
    await page.tell(told, Notification.LOCKED_OUT)
