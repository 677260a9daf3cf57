"""How fast an account may guess: over all its challenges, so that neither a new one nor a resend starts afresh.

Six digits and 20 failures a day, 100 in all before the factor is suspended, leave a guesser 0.03 % (NIST SP 800-63B-4,
3.2.2 asks for at most 100 in a row). Only failures after a right first factor get here: a stranger locks nobody out.
"""

import datetime as dt
from dataclasses import dataclass, replace

from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.tally import Tally

FREE_FAILURES = 5
FIRST_WAIT = dt.timedelta(seconds=30)
LONGEST_WAIT = dt.timedelta(hours=1)
DAY = dt.timedelta(hours=24)
DAY_FAILURES = 20
MONTH = dt.timedelta(days=30)
MONTH_FAILURES = 100
BACKUP_DAY_FAILURES = 10
_DOUBLINGS = 7  # 30 s · 2^7 is past the longest wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The counters of the code factors, and one each of backup codes, recovery keys and recovery codes."""

    failures_in_row: int = 0
    throttled_until: dt.datetime | None = None
    day: Tally = Tally()
    month: Tally = Tally()
    backup_day: Tally = Tally()
    key_day: Tally = Tally()
    recovery_code_day: Tally = Tally()


def code_factors_closed_until(throttle: Throttle, now: dt.datetime) -> dt.datetime | None:
    """Until when no code is judged: the wait after failures in a row, or the rest of a day with twenty."""
    ends = [throttle.throttled_until] if throttle.throttled_until is not None else []
    if throttle.day.within(DAY, now) >= DAY_FAILURES and (over := throttle.day.over_at(DAY)) is not None:
        ends.append(over)
    end = max(ends, default=None)
    return end if end is not None and now < end else None


def backup_codes_closed_until(throttle: Throttle, kind: Kind, now: dt.datetime) -> dt.datetime | None:
    """Until when no code of that kind is judged. Each kind is a lane of its own: who guesses at one closes that one."""
    failures = _day_of(throttle, kind)
    return None if failures.within(DAY, now) < BACKUP_DAY_FAILURES else failures.over_at(DAY)


def after_code_failure(throttle: Throttle, now: dt.datetime) -> Throttle:
    """One more wrong code of a factor."""
    in_row = throttle.failures_in_row + 1
    return replace(
        throttle,
        failures_in_row=in_row,
        throttled_until=now + wait_after(in_row) if in_row >= FREE_FAILURES else throttle.throttled_until,
        day=throttle.day.plus_one(DAY, now),
        month=throttle.month.plus_one(MONTH, now),
    )


def after_backup_failure(throttle: Throttle, kind: Kind, now: dt.datetime) -> Throttle:
    """One more wrong code of that kind: ten a day, 80 bits need no other limit."""
    counted = _day_of(throttle, kind).plus_one(DAY, now)
    match kind:
        case Kind.BACKUP_CODE:
            return replace(throttle, backup_day=counted)
        case Kind.RECOVERY_KEY:
            return replace(throttle, key_day=counted)
        case Kind.RECOVERY_CODE:
            return replace(throttle, recovery_code_day=counted)


def after_success(throttle: Throttle) -> Throttle:
    """A right code ends the wait. The counts of the day and the month stay: a thief between two of the owner's
    logins shall not be given new tries by them.
    """
    if not throttle.failures_in_row and throttle.throttled_until is None:
        return throttle
    return replace(throttle, failures_in_row=0, throttled_until=None)


def wait_after(failures_in_row: int) -> dt.timedelta:
    """Doubling from 30 s at the fifth failure, at most 1 h; nothing before."""
    if failures_in_row < FREE_FAILURES:
        return dt.timedelta(0)
    doublings = min(failures_in_row - FREE_FAILURES, _DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def suspends_factor(throttle: Throttle, now: dt.datetime) -> bool:
    """Whether the failure just counted ends the use of the factor it was tried on."""
    return throttle.month.within(MONTH, now) >= MONTH_FAILURES


def _day_of(throttle: Throttle, kind: Kind) -> Tally:
    match kind:
        case Kind.BACKUP_CODE:
            return throttle.backup_day
        case Kind.RECOVERY_KEY:
            return throttle.key_day
        case Kind.RECOVERY_CODE:
            return throttle.recovery_code_day
