"""A sandbox's own time."""

import datetime as dt

from services.policy.announcements import SOURCE
from services.policy.deps import Deps
from services.policy.queries.clocks import advance_clock, lock_clock
from services.policy.queries.timers import shift_timers
from shared.contracts import events
from shared.contracts.commands import MoveClock
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ClockView, RefusalCode
from shared.messaging.outcome import Discard, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_SHORTEST = dt.timedelta(seconds=1)  # forward only: codes, steps and throttles have no way back
_LONGEST = dt.timedelta(days=400)
_FURTHEST = dt.timedelta(days=3653)  # from now, ten years; the table refuses more


async def move_clock(message: Envelope[MoveClock], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Move the tenant's time forward, and what is due by it. The row's lock keeps timers from being armed meanwhile."""
    by = dt.timedelta(seconds=message.data.advance_seconds)
    if not _SHORTEST <= by <= _LONGEST:
        return Discard("advance_out_of_range")
    ahead = await lock_clock(uow.conn, message.tenant_id)
    if ahead is None:
        return refuse(RefusalCode.NOT_A_SANDBOX)
    if ahead + by > _FURTHEST:
        return refuse(RefusalCode.CLOCK_TOO_FAR)
    clock = await advance_clock(uow.conn, message.tenant_id, by)
    await shift_timers(uow.conn, message.tenant_id, by)
    moved = events.ClockMoved(advance_seconds=message.data.advance_seconds)
    uow.publish(message.follow(moved, source=SOURCE, at=clock.now))
    return Ok(ClockView(now=clock.now, offset_seconds=int(clock.offset.total_seconds())))
