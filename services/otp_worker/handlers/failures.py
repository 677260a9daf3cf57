"""A wrong code: counted with the verdict, told to the person, and to the owner when it looks like guessing."""

from dataclasses import replace

from services.otp_worker.announcements import Cause, code_failed, factor_notice, notice, say
from services.otp_worker.domain.challenge import Failure, as_failed
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import seconds_until
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.totp import ClockOff
from services.otp_worker.handlers.attempts import Attempt
from services.otp_worker.handlers.changes import Changes
from shared.contracts import events
from shared.contracts.notifications import Notification
from shared.contracts.replies import Refusal, RefusalCode
from shared.contracts.types import FactorId
from shared.messaging.outcome import Refused, refuse


def reject(
    cause: Cause,
    attempt: Attempt,
    failure: Failure,
    changes: Changes,
    *,
    factor: Factor | None = None,
    clock: ClockOff | None = None,
) -> Refused:
    """Count a failure, say so, and answer with what is left."""
    account = attempt.account
    code = RefusalCode.CODE_WRONG if clock is None else RefusalCode.CLOCK_OFF
    factor_id = factor.id if factor is not None else None
    _count(attempt, failure, changes, is_hinted=clock is not None)
    changes.say(code_failed(cause, account, attempt.challenge, failure, reason=code.value, factor_id=factor_id))
    _draw_consequences(cause, attempt, failure, changes, factor, clock)
    closed_until = code_factors_closed_until(failure.throttle, account.now)
    return Refused(
        Refusal(
            code=code,
            attempts_left=failure.attempts_left,
            retry_after_seconds=seconds_until(closed_until, account.now),
            minutes_off=clock.minutes if clock is not None else None,
        )
    )


def _count(attempt: Attempt, failure: Failure, changes: Changes, *, is_hinted: bool) -> None:
    account, challenge = attempt.account, attempt.challenge
    changes.judged.append((account.tenant_id, as_failed(challenge, failure, is_hinted=is_hinted), account.now))
    changes.keep(account, replace(account.state, throttle=failure.throttle))


def _draw_consequences(
    cause: Cause,
    attempt: Attempt,
    failure: Failure,
    changes: Changes,
    factor: Factor | None,
    clock: ClockOff | None,
) -> None:
    """A hint burns its step, the last attempt warns the owner, the hundredth failure suspends."""
    account = attempt.account
    if clock is not None and factor is not None:
        changes.burnt_steps.append((account.tenant_id, factor.id, clock.step))
    is_guessing = failure.throttle is not account.state.throttle  # not at a mailbox or a pending factor
    if is_guessing and failure.is_exhausted:
        changes.say(notice(cause, account, attempt.factors, Notification.FAILED_ATTEMPTS, attempts=failure.attempts))
    if failure.is_suspending and factor is not None:
        suspend(cause, attempt, factor, changes)


def suspend(cause: Cause, attempt: Attempt, factor: Factor, changes: Changes) -> None:
    """A hundred failures in thirty days: nobody guesses at this factor any more, and the trusts under it end."""
    account = attempt.account
    changes.suspended.append((account.tenant_id, factor.id))
    state = changes.state_of(account)
    changes.keep(account, replace(state, factor_epoch=state.factor_epoch + 1))
    suspended = events.FactorSuspended(factor_id=factor.id, factor_type=factor.type, reason="too_many_failures")
    changes.say([say(cause, account, suspended)])
    changes.say(factor_notice(cause, account, attempt.factors, Notification.FACTOR_SUSPENDED, factor))


def throttled(
    cause: Cause, attempt: Attempt, changes: Changes, factor_id: FactorId | None, *, seconds: int | None
) -> Refused:
    """The code is not looked at: looking would be a free guess."""
    return _uncounted(cause, attempt, changes, factor_id, RefusalCode.THROTTLED, seconds)


def already_used(cause: Cause, attempt: Attempt, changes: Changes, factor_id: FactorId | None = None) -> Refused:
    """Right once, and over: two clicks, or somebody who looked on. No guess, so not counted; but remembered."""
    return _uncounted(cause, attempt, changes, factor_id, RefusalCode.CODE_ALREADY_USED, None)


def _uncounted(
    cause: Cause, attempt: Attempt, changes: Changes, factor_id: FactorId | None, code: RefusalCode, seconds: int | None
) -> Refused:
    left = attempt.challenge.attempts_left
    rejected = events.ChallengeRejected(
        challenge_id=attempt.challenge.id,
        purpose=attempt.challenge.purpose,
        reason=code.value,
        factor_id=factor_id,
        attempts_left=left,
    )
    changes.say([say(cause, attempt.account, rejected)])
    return refuse(code, attempts_left=left, retry_after_seconds=seconds)
