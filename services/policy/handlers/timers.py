"""Timers whose time has come."""

import datetime as dt
import functools
from collections import Counter
from collections.abc import Iterator, Sequence

import structlog
from pydantic import ValidationError

from services.policy.deps import Deps
from services.policy.queries.timers import FiredTimer, claim_due_timers, delete_ended_timers, seconds_to_next_timer
from shared.contracts.codec import COMMANDS
from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import SYSTEM
from shared.db.low_water import EVERYTHING, LowWater
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.outbox import insert_messages
from shared.messaging.relay import Relay
from shared.messaging.unit_of_work import outbox_row
from shared.observability.metrics import TIMER_LATENESS, TIMERS_FIRED

log = structlog.get_logger()

AT_MOST = 1_000  # timers a transaction
LONGEST_SLEEP = 1.0  # seconds: somebody may arm a timer, or move a clock
SLACK = dt.timedelta(seconds=20)  # a timer may be armed for now in a transaction that takes so long
_SHORTEST_SLEEP = 0.02  # seconds: what is due may be in another engine's hands
_KEPT = dt.timedelta(days=30)
_DELETED_AT_ONCE = 5_000


async def fire_due_timers(
    database: Database, relay: Relay, host_now: dt.datetime, low_water: LowWater | None = None
) -> int:
    """Say what is due by the database's clock and by ``host_now``; how much. Any number of engines may do it at once:
    a timer is in the hands of one, and fires with that one's commit or not at all. ``low_water`` is the engine's own.
    """
    low_water = low_water or LowWater(slack=SLACK)
    async with database.transaction(work_queues=True) as conn:
        fired = await claim_due_timers(conn, host_now=host_now, at_most=AT_MOST, reach=low_water.reach())
        rows = [outbox_row(envelope) for envelope in _envelopes(fired)]
        if rows:
            rows = await insert_messages(conn, rows)
    lateness = [timer.fired_at - timer.due_at for timer in fired]
    low_water.found(lateness, at_most=AT_MOST)
    relay.hand_over(rows)
    for kind, number in Counter(timer.kind for timer in fired).items():
        TIMERS_FIRED.labels(kind=kind).inc(number)
    for late in lateness:
        TIMER_LATENESS.observe(late.total_seconds())
    return len(fired)


async def pause_until_next(database: Database, host_now: dt.datetime, low_water: LowWater | None = None) -> float:
    """How many seconds an engine that has fired what was due may sleep."""
    reach = low_water.unseen() if low_water is not None else EVERYTHING
    async with database.transaction(work_queues=True) as conn:
        seconds = await seconds_to_next_timer(conn, host_now=host_now, reach=reach)
    return LONGEST_SLEEP if seconds is None else min(LONGEST_SLEEP, max(_SHORTEST_SLEEP, seconds))


async def purge_timers(deps: Deps) -> bool:
    """A duty: forget timers that ended a month ago."""
    async with deps.database.transaction(work_queues=True) as conn:
        deleted = await delete_ended_timers(conn, older_than=_KEPT, limit=_DELETED_AT_ONCE)
    return deleted == _DELETED_AT_ONCE


def _envelopes(fired: Sequence[FiredTimer]) -> Iterator[Envelope[Message]]:
    """The commands to say. One that nobody understands any more must not hold up all the others for ever."""
    command_of = functools.cache(_command)  # at a helpdesk's deadline all of a page say the same
    for timer in fired:
        command = command_of(timer.kind, timer.payload)
        if command is None:
            log.error("timer_not_understood", kind=timer.kind, timer_id=str(timer.timer_id))
            continue
        yield Envelope(
            id=new_id(),
            data=command,
            tenant_id=timer.tenant_id,
            account_id=timer.account_id,
            actor=SYSTEM,
            source="/policy/timers",
            time=timer.tenant_now,
            correlation_id=timer.correlation_id,
            causation_id=timer.causation_id,
        )


def _command(kind: str, payload: str) -> Message | None:
    try:
        return COMMANDS[kind].model_validate_json(payload)
    except (KeyError, ValidationError):
        return None
