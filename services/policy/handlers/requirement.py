"""Giving notice of a requirement: to one account, or to a whole tenant a page at a time."""

import datetime as dt
from collections.abc import Sequence

from services.policy.announcements import SOURCE, by_the_cheapest, requirement_started, start_notices
from services.policy.deps import Deps
from services.policy.domain.notice_plan import enforcement_subjects, enforcement_timers, needs_start_notice
from services.policy.domain.standing import Standing
from services.policy.handlers.case import open_case
from services.policy.queries.accounts import account_ids_after
from services.policy.queries.clocks import hold_clock
from services.policy.queries.enforcements import forget_announcements, record_announcements
from services.policy.queries.policies import read_policy
from services.policy.queries.standings import read_standings
from services.policy.queries.tenants import read_letterhead
from services.policy.queries.timers import arm_timers, cancel_timers
from shared.contracts import events
from shared.contracts.commands import AnnounceRequirement, ReviewEnforcement
from shared.contracts.envelope import Envelope, Event, Message
from shared.contracts.types import EnforcementState
from shared.db.account_lock import lock_page
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.enforcement import Enforcement

PAGE = 200  # accounts a transaction: their logins wait for it

_RELIEVED = (EnforcementState.NOT_REQUIRED, EnforcementState.EXEMPT)
_NOTHING_TO_ENROL = (*_RELIEVED, EnforcementState.SATISFIED)
_OPENED = (*_RELIEVED, EnforcementState.GRACE, EnforcementState.MUST_ENROL)

Judged = list[tuple[Standing, Enforcement]]


async def announce_requirement(message: Envelope[AnnounceRequirement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Give notice to the next page of accounts; a policy that was replaced meanwhile gives its own."""
    now = await hold_clock(uow.conn, message.tenant_id)
    stored = await read_policy(uow.conn, message.tenant_id)
    if stored.version != message.data.policy_version:
        return Done()
    ids = await account_ids_after(uow.conn, message.tenant_id, message.data.after, limit=PAGE)
    await lock_page(uow.conn, message.tenant_id, ids)  # else an admin's word of this moment would lose its timers
    standings = await read_standings(uow.conn, message.tenant_id, ids)
    await give_notice(message, uow, deps, standings, now, reason="policy_changed")
    if len(ids) == PAGE:
        rest = AnnounceRequirement(policy_version=stored.version, after=ids[-1])
        uow.publish(message.follow(rest, source=SOURCE, at=now))
    return Done()


async def review_enforcement(message: Envelope[ReviewEnforcement], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An exemption may be over: whoever has to enrol now, hears by when."""
    case = await open_case(message, uow, deps)
    standing = await case.standing()
    if standing is not None:
        await give_notice(message, uow, deps, [standing], case.now, reason="exemption_over")
    return Done()


async def give_notice(
    message: Envelope[Message],
    uow: UnitOfWork,
    deps: Deps,
    standings: Sequence[Standing],
    now: dt.datetime,
    *,
    reason: str,
    is_told: bool = False,
    is_silent: bool = False,
) -> None:
    """Bring notices and timers of these accounts in line with where they stand. Said again, it changes nothing.

    ``is_told``: the change itself was told already, and its notice says all that one of the start would say.
    ``is_silent``: timers are armed, the start is said as an event, and no person is told of it.
    """
    judged = [(standing, standing.enforcement_at(now)) for standing in standings]
    await _arm(message, uow, judged, now)
    _release(message, uow, judged, now, reason=reason, is_told=is_told)
    free = [each.account.account_id for each, enforcement in judged if enforcement.state in _NOTHING_TO_ENROL]
    if free:
        await forget_announcements(uow.conn, message.tenant_id, free)
    told = [(each, enforcement) for each, enforcement in judged if needs_start_notice(each, enforcement)]
    if told:
        deadlines = [(each.account.account_id, enforcement.deadline) for each, enforcement in told]
        await record_announcements(uow.conn, message.tenant_id, deadlines, now)
        await _announce(message, uow, deps, told, now, is_told=is_told or is_silent)


def _release(
    message: Envelope[Message], uow: UnitOfWork, judged: Judged, now: dt.datetime, *, reason: str, is_told: bool
) -> None:
    """Say whose lock has ended and, unless it was said, of whom nothing is asked any more. Enrolling says it itself."""
    for standing, enforcement in judged:
        said: Event
        if standing.locked_out_at is not None and enforcement.state in _OPENED:
            said = events.EnforcementUnlocked(until=enforcement.deadline, reason=reason)
        elif standing.announced_at is not None and enforcement.state in _RELIEVED and not is_told:
            said = events.EnforcementChanged(
                state=enforcement.state, exempt_until=enforcement.exempt_until, reason=reason
            )
        else:
            continue
        uow.publish(message.follow(said, source=SOURCE, at=now, account_id=standing.account.account_id))


async def _arm(message: Envelope[Message], uow: UnitOfWork, judged: Judged, now: dt.datetime) -> None:
    timers = [timer for standing, enforcement in judged for timer in enforcement_timers(standing, enforcement, now)]
    subjects = {subject for each, _ in judged for subject in enforcement_subjects(each.account.account_id)}
    await cancel_timers(uow.conn, message.tenant_id, sorted(subjects - {timer.subject for timer in timers}))
    await arm_timers(uow.conn, message, timers)


async def _announce(
    message: Envelope[Message], uow: UnitOfWork, deps: Deps, told: Judged, now: dt.datetime, *, is_told: bool
) -> None:
    letterhead = await read_letterhead(uow.conn, message.tenant_id)
    for standing, enforcement in told:
        said: list[Message] = [requirement_started(standing, enforcement.deadline)]
        if enforcement.deadline is not None and not is_told:
            to = by_the_cheapest(
                standing.account, now=now, tenant_name=letterhead.name, tenant_colour=letterhead.colour
            )
            said += start_notices(to, enforcement.deadline, now, deps.new_id)
        whose = standing.account.account_id
        uow.publish(*(message.follow(each, source=SOURCE, at=now, account_id=whose) for each in said))
