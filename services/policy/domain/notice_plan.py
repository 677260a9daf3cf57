"""What an account in its grace period is told, and when."""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType

from services.policy.domain.standing import Standing
from services.policy.domain.timer import Timer
from shared.contracts.commands import LockOutAccount, RemindOfEnforcement, ReviewEnforcement
from shared.contracts.types import EnforcementState
from shared.rules.enforcement import Enforcement

STAGES: Mapping[str, dt.timedelta] = MappingProxyType(
    {
        "7d": dt.timedelta(days=7),
        "3d": dt.timedelta(days=3),
        "1d": dt.timedelta(days=1),
        "1h": dt.timedelta(hours=1),
    }
)
"""How long before the deadline each reminder goes out."""

_SOON_AFTER_THE_START = dt.timedelta(days=1)


def needs_start_notice(standing: Standing, enforcement: Enforcement) -> bool:
    """Whether the account must enrol by a deadline, or at once, and was not told of this one yet."""
    match enforcement.state:
        case EnforcementState.GRACE | EnforcementState.MUST_ENROL:
            return standing.announced_at is None or standing.announced_deadline != enforcement.deadline
        case (
            EnforcementState.NOT_REQUIRED
            | EnforcementState.EXEMPT
            | EnforcementState.SATISFIED
            | EnforcementState.LOCKED_OUT
        ):
            return False


def reminds_now(enforcement: Enforcement, deadline: dt.datetime) -> bool:
    """Whether a reminder of ``deadline`` is still true."""
    return enforcement.state is EnforcementState.GRACE and enforcement.deadline == deadline


def locks_now(standing: Standing, enforcement: Enforcement) -> dt.datetime | None:
    """The deadline that was missed, where a lock follows from it and was not announced yet."""
    deadline = enforcement.deadline
    if enforcement.state is not EnforcementState.LOCKED_OUT or deadline is None:
        return None
    return deadline if standing.locked_out_at is None or standing.locked_out_at < deadline else None


def enforcement_timers(standing: Standing, enforcement: Enforcement, now: dt.datetime) -> list[Timer]:
    """What time will change for the account: reminders that are still to come, the lock where one follows, the end of
    an exemption. Each looks again when its time has come.
    """
    account_id = standing.account.account_id
    match enforcement.state:
        case EnforcementState.NOT_REQUIRED | EnforcementState.SATISFIED:
            return []
        case EnforcementState.EXEMPT:
            return _review(account_id, enforcement.exempt_until)
        case EnforcementState.GRACE:
            return [*_reminders(account_id, enforcement.deadline, now), *_lock(account_id, enforcement.locks_at)]
        case EnforcementState.MUST_ENROL:
            return _lock(account_id, enforcement.locks_at)
        case EnforcementState.LOCKED_OUT:
            return _lock(account_id, enforcement.deadline)


def _review(account_id: str, at: dt.datetime | None) -> list[Timer]:
    if at is None:
        return []
    return [Timer(command=ReviewEnforcement(), account_id=account_id, subject=f"{account_id}/exempt", at=at)]


def _lock(account_id: str, at: dt.datetime | None) -> list[Timer]:
    if at is None:
        return []
    return [Timer(command=LockOutAccount(deadline=at), account_id=account_id, subject=account_id, at=at)]


def _reminders(account_id: str, deadline: dt.datetime | None, now: dt.datetime) -> list[Timer]:
    if deadline is None:
        return []
    return [
        Timer(
            command=RemindOfEnforcement(stage=stage, deadline=deadline),
            account_id=account_id,
            subject=f"{account_id}/{stage}",
            at=deadline - before,
        )
        for stage, before in STAGES.items()
        if now < deadline - before and not _is_too_close(stage, deadline - before, now)
    ]


def enforcement_subjects(account_id: str) -> list[str]:
    """The subjects of all timers of `enforcement_timers`, to cancel them by."""
    return [account_id, f"{account_id}/exempt", *(f"{account_id}/{stage}" for stage in STAGES)]


def _is_too_close(stage: str, at: dt.datetime, now: dt.datetime) -> bool:
    """With seven days of grace the first reminder would follow the notice of the start at once."""
    return stage == "7d" and at < now + _SOON_AFTER_THE_START
