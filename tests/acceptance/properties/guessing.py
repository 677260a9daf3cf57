"""How fast an account may be guessed at: the model's own count of wrong codes, a lane for each kind."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from tests.acceptance.properties.things import DAY, HOUR, is_before

CODE: Final = "code"  # of a factor, or of the mailbox that stands where one would
WRONG: Final = frozenset({"code_wrong", "clock_off"})
_MOST: Final = {CODE: 20}  # a day; ten of each other kind
_FREE: Final = 5


@dataclass(slots=True)
class Day:
    """A count that starts with its first failure and is over a day later."""

    started_at: dt.datetime
    count: int = 1
    is_unsure: bool = False  # one failure was at the very end of it


@dataclass(slots=True)
class Guesses:
    """What was typed wrong."""

    in_row: int = 0
    until: dt.datetime | None = None
    days: dict[str, Day] = field(default_factory=dict)
    in_all: int = 0

    def failed(self, lane: str, now: dt.datetime) -> None:
        """One more. The waits are of the codes of factors only."""
        if lane == CODE:
            self.in_all += 1
            self.in_row += 1
            if self.in_row >= _FREE:
                self.until = now + min(dt.timedelta(seconds=30 * 2 ** (self.in_row - _FREE)), HOUR)
        day = self.days.get(lane)
        is_open = is_before(now, day.started_at + DAY) if day is not None else False
        if day is None or is_open is False:
            self.days[lane] = Day(now)
        else:
            day.count += 1
            day.is_unsure = day.is_unsure or is_open is None

    def succeeded(self) -> None:
        """The wait is over, the day's counts stay."""
        self.in_row, self.until = 0, None

    def is_closed(self, lane: str, now: dt.datetime) -> bool | None:
        """Whether nothing of that lane is judged now; None: it is just opening."""
        said = [False if (day := self.days.get(lane)) is None else self._is_full(lane, day, now)]
        if lane == CODE and self.until is not None:
            said.append(is_before(now, self.until))
        return True if True in said else None if None in said else False

    @staticmethod
    def _is_full(lane: str, day: Day, now: dt.datetime) -> bool | None:
        is_open = is_before(now, day.started_at + DAY)
        if is_open is False and not day.is_unsure:
            return False
        if day.is_unsure or is_open is None:
            return None
        return day.count >= _MOST.get(lane, 10)
