"""How far back a queue has to be read.

A row that is done with stays in the index of its queue until it is cleared away, and while one transaction stays open
(a dump, a session that somebody forgot) nothing is: every claim would read over all that was done since it began. So
whoever claims remembers up to when it has seen everything done, and reads from there. Rows that turn up behind that
(a lease that ended, a clock that was moved) are found by looking at everything, for which a twentieth of the time is
given: as long as that is quick, it is what happens at every look.
"""

import datetime as dt
from collections.abc import Collection

from shared.clock import monotonic

EVERYTHING = dt.timedelta(days=36_500)
_SHARE = 20  # so much longer than a look at everything took, until the next one
_UNANSWERED = 3.0  # seconds a look is taken to have cost that was not answered
_FIRST_REACH = 3600.0  # seconds; where the first look at everything was not answered


class LowWater:
    """Of one queue and one process. By this host's monotonic clock: how far back is a length of time, and the database
    subtracts it from its own now.
    """

    def __init__(self, *, slack: dt.timedelta) -> None:
        """``slack``: how long after its instant a row may be committed."""
        self._slack = slack
        self._seen_up_to = monotonic() - _FIRST_REACH
        self._began = 0.0
        self._is_whole = False
        self._whole_from = 0.0  # when everything may be looked at again

    def reach(self) -> dt.timedelta:
        """How far back from now the next look goes; to be asked right before it."""
        self._began = monotonic()
        self._is_whole = self._began >= self._whole_from
        if self._is_whole:
            self._whole_from = self._began + _SHARE * _UNANSWERED
            return EVERYTHING
        return self.unseen()

    def seen(self, behind: dt.timedelta = dt.timedelta()) -> None:
        """The look was answered: what is older than ``behind`` was done with when it began."""
        if self._is_whole:
            self._whole_from = self._began + _SHARE * (monotonic() - self._began)
        self._seen_up_to = self._began - max(behind.total_seconds(), 0.0)

    def found(self, waited: Collection[dt.timedelta], *, at_most: int) -> None:
        """The look was answered with the first that were due, each since so long: behind a full hand there may be more,
        which are no older than the oldest in it.
        """
        self.seen(max(waited) if waited and len(waited) >= at_most else dt.timedelta())

    def unseen(self) -> dt.timedelta:
        """How far back there may be rows that are not done with, but for those that only a look at everything finds."""
        return dt.timedelta(seconds=monotonic() - self._seen_up_to) + self._slack
