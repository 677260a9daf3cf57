"""Whether a code may be sent now: 30, 60, 120 s apart, four a challenge, a day's budget for the account."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.tally import Tally
from services.otp_worker.domain.throttle import DAY
from shared.contracts.types import Channel, FactorId

SPACING = (dt.timedelta(seconds=30), dt.timedelta(seconds=60), dt.timedelta(seconds=120))
MAX_SENDS = 4
MAX_ALIVE = 3  # codes that may come late or out of order; one budget of attempts for all
CODE_LIFETIME = dt.timedelta(minutes=10)
DAY_SENDS = {Channel.EMAIL: 20, Channel.SMS: 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCode:
    """A code that was sent; only its keyed digest is known."""

    id: UUID
    factor_id: FactorId | None  # None: to the mailbox that the challenge offers
    digest: str
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What an account was sent in its day."""

    mails: Tally = Tally()
    sms: Tally = Tally()

    def of(self, channel: Channel) -> Tally:
        """The count of one channel."""
        return self.mails if channel is Channel.EMAIL else self.sms

    def plus_one(self, channel: Channel, now: dt.datetime) -> "Budget":
        """One more."""
        counted = self.of(channel).plus_one(DAY, now)
        return Budget(counted, self.sms) if channel is Channel.EMAIL else Budget(self.mails, counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send one; afterwards the challenge and the account are like this."""

    sends: int
    next_send_at: dt.datetime | None  # None: that was the last one
    expires_at: dt.datetime
    budget: Budget

    def minutes(self, now: dt.datetime) -> int:
        """How long the code lives, in whole minutes, at least 1."""
        return max(1, -(-(self.expires_at - now) // dt.timedelta(minutes=1)))


@dataclass(frozen=True, slots=True)
class TooSoon:
    """The last one is still on its way."""

    next_send_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TooManySends:
    """Four a challenge, until it has ended, or the day's budget; then, at `free_at`, there are some again."""

    free_at: dt.datetime | None
    is_of_challenge: bool = False


def decide_send(
    challenge: Challenge, budget: Budget, channel: Channel, now: dt.datetime
) -> Send | TooSoon | TooManySends:
    """Whether a code may go to a destination of ``channel``. The challenge is open."""
    if challenge.sends >= MAX_SENDS:
        return TooManySends(challenge.expires_at, is_of_challenge=True)
    if challenge.next_send_at is not None and now < challenge.next_send_at:
        return TooSoon(challenge.next_send_at)
    day = budget.of(channel)
    if day.within(DAY, now) >= DAY_SENDS[channel]:
        return TooManySends(day.over_at(DAY))
    sends = challenge.sends + 1
    return Send(
        sends=sends,
        next_send_at=now + SPACING[sends - 1] if sends < MAX_SENDS else None,
        expires_at=min(now + CODE_LIFETIME, challenge.expires_at),
        budget=budget.plus_one(channel, now),
    )


def alive(codes: Sequence[SentCode], factor_id: FactorId | None, now: dt.datetime) -> list[SentCode]:
    """The codes that may be typed for a factor: of the newest three of the challenge, half-open in time."""
    newest = islice(sorted(codes, key=lambda code: code.id.int, reverse=True), MAX_ALIVE)
    return [code for code in newest if code.factor_id == factor_id and now < code.expires_at]


def seconds_until(at: dt.datetime | None, now: dt.datetime) -> int | None:
    """Whole seconds, rounded up, at least 1; for ``Retry-After``."""
    return None if at is None else max(1, -(-(at - now) // dt.timedelta(seconds=1)))
