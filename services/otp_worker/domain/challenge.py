"""A challenge: ``open → verified → redeemed``, ``open → exhausted | expired | cancelled`` (challenge.md).

It lives half-open: at `expires_at` it is over. Ten minutes, five attempts over all its codes and factors.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.throttle import Throttle, after_backup_failure, after_code_failure, suspends_factor
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState, Contact, FactorId, Purpose, RecoveryId

LIFETIME = dt.timedelta(minutes=10)
MAX_ATTEMPTS = 5
MAX_OPEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One challenge as it is stored. Instants are tenant time."""

    id: ChallengeId
    account_id: str
    purpose: Purpose
    state: ChallengeState
    context: str
    attempts: int = 0
    sends: int = 0
    next_send_at: dt.datetime | None = None
    sent_to: FactorId | None = None
    is_hinted: bool = False
    mailbox: Contact | None = None
    factor_id: FactorId | None = None  # the pending factor whose enrolment this is
    recovery_id: RecoveryId | None = None
    created_at: dt.datetime
    expires_at: dt.datetime
    verified_at: dt.datetime | None = None
    verified_by: str | None = None
    verified_factor_id: FactorId | None = None  # whose code verified it; None: a code that stands in, or a mailbox

    def is_open(self, now: dt.datetime) -> bool:
        """Whether something may still be judged."""
        return self.state is ChallengeState.OPEN and now < self.expires_at

    @property
    def attempts_left(self) -> int:
        """Of five."""
        return MAX_ATTEMPTS - self.attempts if self.state is ChallengeState.OPEN else 0


_UNPROVED = (ChallengeState.OPEN, ChallengeState.CANCELLED)

MAILBOX = "mailbox"
"""`verified_by` of a challenge whose own mailbox was proved: that is no second factor."""


def is_for_nothing(challenge: Challenge, open_recovery: RecoveryId | None) -> bool:
    """Whether the recovery that it was to prove the mailbox for is over, ``open_recovery`` being the account's: a right
    code must not look as if the waiting had begun.
    """
    return challenge.recovery_id not in (None, open_recovery) and challenge.state in _UNPROVED


def closed_reason(challenge: Challenge, now: dt.datetime) -> RefusalCode | None:
    """Why nothing is judged or sent any more; None: the challenge is open."""
    match challenge.state:
        case ChallengeState.OPEN:
            return None if now < challenge.expires_at else RefusalCode.CHALLENGE_EXPIRED
        case ChallengeState.EXHAUSTED:
            return RefusalCode.CHALLENGE_EXHAUSTED
        case ChallengeState.EXPIRED:
            return RefusalCode.CHALLENGE_EXPIRED
        case ChallengeState.VERIFIED | ChallengeState.REDEEMED | ChallengeState.CANCELLED:
            return RefusalCode.CHALLENGE_NOT_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A wrong code, counted: what the challenge and the account are afterwards."""

    attempts: int
    is_exhausted: bool
    throttle: Throttle
    is_suspending: bool = False  # the factor it was tried on has had its hundredth

    @property
    def attempts_left(self) -> int:
        """Of five."""
        return MAX_ATTEMPTS - self.attempts


def fail_code(challenge: Challenge, throttle: Throttle, now: dt.datetime) -> Failure:
    """Count a wrong code of a factor."""
    counted = after_code_failure(throttle, now)
    return Failure(
        attempts=challenge.attempts + 1,
        is_exhausted=challenge.attempts + 1 >= MAX_ATTEMPTS,
        throttle=counted,
        is_suspending=suspends_factor(counted, now),
    )


def fail_backup_code(challenge: Challenge, throttle: Throttle, kind: Kind, now: dt.datetime) -> Failure:
    """Count a wrong backup code, key or recovery code, each kind for itself."""
    return Failure(
        attempts=challenge.attempts + 1,
        is_exhausted=challenge.attempts + 1 >= MAX_ATTEMPTS,
        throttle=after_backup_failure(throttle, kind, now),
    )


def fail_mailed_code(challenge: Challenge, throttle: Throttle) -> Failure:
    """Count a wrong code of a mailbox that is being proved: no second factor is guessed at, so no throttle."""
    return Failure(
        attempts=challenge.attempts + 1, is_exhausted=challenge.attempts + 1 >= MAX_ATTEMPTS, throttle=throttle
    )


def as_failed(challenge: Challenge, failure: Failure, *, is_hinted: bool = False) -> Challenge:
    """Open → open with an attempt less, or exhausted. ``is_hinted``: the answer says how far a clock is off."""
    return replace(
        challenge,
        state=ChallengeState.EXHAUSTED if failure.is_exhausted else ChallengeState.OPEN,
        attempts=failure.attempts,
        is_hinted=challenge.is_hinted or is_hinted,
    )


def as_verified(challenge: Challenge, *, by: str, now: dt.datetime, factor_id: FactorId | None = None) -> Challenge:
    """Open → verified, by a method or by `MAILBOX`."""
    return replace(
        challenge,
        state=ChallengeState.VERIFIED,
        verified_at=now,
        verified_by=by,
        verified_factor_id=factor_id,
    )


@dataclass(frozen=True, slots=True)
class Reuse:
    """The same was asked before: this challenge is still open."""

    challenge: Challenge


@dataclass(frozen=True, slots=True)
class Issue:
    """A new challenge."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """These three are open; the first of them ends at `free_at`."""

    free_at: dt.datetime
    open_ids: tuple[ChallengeId, ...]


def open_one(
    existing: Sequence[Challenge], purpose: Purpose, context: str, now: dt.datetime
) -> Reuse | Issue | TooMany:
    """The open challenge of the same (account, purpose, context), else a new one, at most three at a time.

    Enrolments of a factor and recoveries have a challenge each by their own rules and do not count.
    """
    alive = [each for each in existing if each.is_open(now) and each.factor_id is None and each.recovery_id is None]
    for each in alive:
        if each.purpose is purpose and each.context == context:
            return Reuse(each)
    if len(alive) >= MAX_OPEN:
        return TooMany(min(each.expires_at for each in alive), tuple(each.id for each in alive))
    return Issue()
