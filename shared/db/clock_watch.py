"""Do this machine's clock and the database's agree? Both have to be right for a timer to fire, and the database's alone
says which code an authenticator shows: when they part, people are turned away or wait, and somebody should know why.
"""

import datetime as dt
from collections.abc import Callable

import structlog

from shared.clock import host_now
from shared.db.pool import Database
from shared.observability.metrics import CLOCK_DIFFERENCE

log = structlog.get_logger()

WATCH_PERIOD = dt.timedelta(seconds=30)
BOUND = dt.timedelta(seconds=5)
"""Far more than machines that ask for the time differ by, far less than a step of an authenticator (30 s)."""

_NONE = dt.timedelta()


async def watch_clock(database: Database, read: Callable[[], dt.datetime] = host_now) -> dt.timedelta:
    """A duty: measure how far the clocks are apart, keep it as a metric, and warn above `BOUND`. ``read`` is this
    machine's clock. Raises `StoreUnavailable`.
    """
    async with database.connection() as conn:
        before = read()
        shown: dt.datetime = await conn.fetchval("SELECT clock_timestamp()")
        after = read()
    difference = apart(shown, before, after)
    CLOCK_DIFFERENCE.set(difference.total_seconds())
    if abs(difference) > BOUND:
        log.warning("clocks_disagree", seconds=round(difference.total_seconds(), 1))
    return difference


def apart(shown: dt.datetime, before: dt.datetime, after: dt.datetime) -> dt.timedelta:
    """How far the database's clock, read between these instants of ours, is ahead of them; negative: behind."""
    if shown < before:
        return shown - before
    return shown - after if shown > after else _NONE
