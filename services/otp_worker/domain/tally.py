"""A count that starts with its first event and is over a window later."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """`count` events since `started_at`."""

    started_at: dt.datetime | None = None
    count: int = 0

    def within(self, window: dt.timedelta, now: dt.datetime) -> int:
        """How many there were in the window that is open at ``now``; half-open, so 24 h after the first it is 0."""
        return self.count if self.started_at is not None and now < self.started_at + window else 0

    def plus_one(self, window: dt.timedelta, now: dt.datetime) -> "Tally":
        """One more; the first one after a window's end opens the next."""
        counted = self.within(window, now)
        return Tally(self.started_at if counted else now, counted + 1)

    def over_at(self, window: dt.timedelta) -> dt.datetime | None:
        """When the window ends."""
        return None if self.started_at is None else self.started_at + window


NOTHING = Tally()


def tally(started_at: dt.datetime | None, count: int) -> Tally:
    """As it is stored; of the seven of an account nearly all are nothing, and one nothing is like another."""
    return NOTHING if started_at is None and not count else Tally(started_at, count)
