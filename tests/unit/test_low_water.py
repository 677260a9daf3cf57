"""How far back a queue is read. Lengths of time are compared with hours: how long a test takes says nothing here."""

import datetime as dt

from shared.db.low_water import EVERYTHING, LowWater
from tests.support.eventually import eventually

SLACK = dt.timedelta(seconds=5)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


def test_at_first_everything_is_looked_at() -> None:
    """Whoever starts does not know what was left by those before."""
    assert LowWater(slack=SLACK).reach() == EVERYTHING


def test_a_look_at_everything_that_was_not_answered_is_not_repeated_at_once() -> None:
    """It was too much for the time that a statement has; the next would be too, and nothing would ever be claimed."""
    low_water = LowWater(slack=SLACK)
    low_water.reach()
    assert HOUR < low_water.reach() < 2 * HOUR


def test_what_was_seen_done_is_not_read_again() -> None:
    """The rows of a queue that are done with are read over one by one, as long as nobody may clear them away."""
    low_water = LowWater(slack=SLACK)
    low_water.reach()
    low_water.reach()  # the first was not answered: a look at everything is not due for long
    low_water.seen()
    assert SLACK <= low_water.reach() < MINUTE


def test_what_was_left_for_the_next_claim_is_within_its_reach() -> None:
    """A claim takes so many; those behind them are as old as the oldest that it took, or younger."""
    low_water = LowWater(slack=SLACK)
    low_water.reach()
    low_water.reach()
    low_water.seen(HOUR)
    assert HOUR + SLACK <= low_water.unseen() < HOUR + MINUTE


async def test_as_long_as_it_is_quick_everything_is_looked_at_soon_again() -> None:
    """Rows that turn up behind (a lease that ended, a clock that was moved) are found by that alone."""
    low_water = LowWater(slack=SLACK)
    low_water.reach()
    low_water.seen()

    async def look() -> dt.timedelta:
        found = low_water.reach()
        low_water.seen()
        return found

    assert await eventually(look, lambda reach: reach == EVERYTHING)
