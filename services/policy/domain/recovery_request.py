"""The recovery of an account whose second factor is lost: the weakest door, so it opens late and loudly.

The diagram is in ``recovery_request.md``.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.policy.domain.account import Account
from services.policy.domain.standing import Standing
from services.policy.domain.timer import Timer
from shared.contracts.commands import ExpireRecovery, FinishRecovery, RemindOfRecovery
from shared.contracts.notifications import Notification, RecoveryEnd
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, Channel, Contact, Method, Purpose, RecoveryId, RecoveryState

DRAFT_LIFETIME = dt.timedelta(hours=24)
CHALLENGE_LIFETIME = dt.timedelta(minutes=10)
AFTER_PASSWORD_CHANGE = dt.timedelta(hours=72)
AFTER_ADDRESS_CHANGE = dt.timedelta(days=7)
AFTER_ATTACK = dt.timedelta(hours=24)
COUNTED_WITHIN = dt.timedelta(days=30)
AT_MOST = 3
UNHEARD_DELAY = dt.timedelta(hours=24)
MOST_DELAYS = 3  # with an alarm each time; then it is an admin's to help, who can reset the account

_HOUR = dt.timedelta(hours=1)
OPEN = (RecoveryState.DRAFT, RecoveryState.WAITING)
ATTACK = "attack"
UNHEARD = "unheard"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRequest:
    """One request; instants are tenant time."""

    recovery_id: RecoveryId
    account_id: str
    state: RecoveryState
    challenge_id: ChallengeId
    challenge_opened_at: dt.datetime
    mailbox_masked: str
    requested_at: dt.datetime
    draft_until: dt.datetime
    proved_at: dt.datetime | None = None
    ready_at: dt.datetime | None = None
    heard_at: dt.datetime | None = None
    delays: int = 0
    executing_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    end_reason: str | None = None

    @property
    def may_end(self) -> bool:
        """Whether it is open and nobody is executing it."""
        return self.state in OPEN and self.executing_at is None

    def is_draft_over(self, now: dt.datetime) -> bool:
        """Whether the mailbox was not proved in time, whatever the timer has said of it."""
        return self.state is RecoveryState.DRAFT and self.draft_until <= now

    def needs_challenge(self, now: dt.datetime) -> bool:
        """Whether the code that was mailed for the draft has expired."""
        return self.state is RecoveryState.DRAFT and self.challenge_opened_at + CHALLENGE_LIFETIME <= now

    def is_waiting_at(self, now: dt.datetime) -> bool:
        """Whether there is still time to say no."""
        return self.may_end and self.ready_at is not None and now < self.ready_at

    @property
    def is_unheard(self) -> bool:
        """Whether nobody has heard of it, as far as known, but who reads the mailbox that it was proved by."""
        return self.heard_at is None

    def is_answered_by(self, recovery_id: RecoveryId | None, said_at: dt.datetime | None) -> bool:
        """Whether "this was not me", said of a notice of that instant, says anything against this request.

        A notice that is older knows nothing of it. Each is good for 30 days, and whoever reads old mail could else stop
        one recovery after the other, and keep the owner out.
        """
        return recovery_id == self.recovery_id or said_at is None or self.requested_at <= said_at

    @property
    def may_be_delayed(self) -> bool:
        """Whether it has not waited yet as often as it may to be heard of."""
        return self.delays < MOST_DELAYS

    def hours_left(self, now: dt.datetime) -> int:
        """Until the instant it is ready, in hours, the nearest, for the text of the notice: of 72 hours that a change
        of the password a minute ago has made of it nobody says 73.
        """
        if self.ready_at is None:
            return 1
        return max(1, min(24 * 30, (self.ready_at - now + _HOUR / 2) // _HOUR))


@dataclass(frozen=True, slots=True)
class MayStart:
    """A request may be made; the mailbox must be proved."""

    mailbox: Contact


@dataclass(frozen=True, slots=True)
class MayNot:
    """No request; `retry_after` where waiting helps, `detail` what it is that stands in the way."""

    code: RefusalCode
    retry_after: dt.timedelta | None = None
    detail: str | None = None


def may_start(standing: Standing, earlier: list[RecoveryRequest], now: dt.datetime) -> MayStart | MayNot:
    """Whether "can't access your device?" is answered. `earlier`: the requests of the last 30 days, none open."""
    account = standing.account
    if not account.is_active:
        return MayNot(RefusalCode.ACCOUNT_INACTIVE)
    hindrance = _hindrance(standing)
    if hindrance is not None:
        return MayNot(RefusalCode.RECOVERY_NOT_OFFERED, detail=hindrance)
    attacked = [each.ended_at for each in earlier if each.end_reason == ATTACK and each.ended_at is not None]
    if attacked and now < max(attacked) + AFTER_ATTACK:
        return MayNot(RefusalCode.TOO_SOON, max(attacked) + AFTER_ATTACK - now, _AFTER_ATTACK)
    counted = sorted(each.requested_at for each in earlier if now < each.requested_at + COUNTED_WITHIN)
    if len(counted) >= AT_MOST:
        return MayNot(RefusalCode.TOO_MANY_RECOVERIES, counted[-AT_MOST] + COUNTED_WITHIN - now)
    mailbox = account.mailbox_at(now)
    return MayStart(mailbox) if mailbox is not None else _no_mailbox(account)


_AFTER_ATTACK = (
    "Of the last recovery its owner said that it was somebody else's: for a day nobody can ask for another one. An "
    "admin can help."
)


def _hindrance(standing: Standing) -> str | None:
    """Why the account is offered no recovery. An active e-mail factor is the way in; a recovery by the same mailbox
    would only skip it.
    """
    reasons = (
        (not standing.policy.recovery.enabled, "The policy does not offer it. An admin can help."),
        (standing.held_factors == 0, "The account has no second factor: there is nothing to recover."),
        (standing.account.is_sso, "The account signs in through SSO: its identity provider can help."),
        (
            standing.has_email_factor,
            "The account has an e-mail factor, and can sign in by a code that is mailed to it.",
        ),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _no_mailbox(account: Account) -> MayNot:
    if account.email is None:
        return MayNot(RefusalCode.NO_MAILBOX, detail="The account has no address. An admin can help.")
    if not account.email_verified:
        return MayNot(RefusalCode.NO_MAILBOX, detail=f"Nobody has verified the account's address. {_PROVE}")
    counts_from = account.settles_at.isoformat(timespec="seconds")
    detail = f"The helpdesk has verified the account's address; for a recovery it counts from {counts_from}. {_PROVE}"
    return MayNot(RefusalCode.NO_MAILBOX, detail=detail)


_PROVE = "A code that was mailed to it and typed here makes it count at once; else an admin can help."


def ready_at(standing: Standing, proved_at: dt.datetime) -> dt.datetime:
    """When the waiting period is over: later after a recent change of password or address, which a thief would make."""
    account = standing.account
    instants = [proved_at + dt.timedelta(hours=standing.policy.recovery.wait_hours)]
    if account.password_changed_at is not None:
        instants.append(account.password_changed_at + AFTER_PASSWORD_CHANGE)
    if account.email_changed_at is not None:
        instants.append(account.email_changed_at + AFTER_ADDRESS_CHANGE)
    return max(instants)


_CAUSES: Mapping[str, RecoveryEnd] = MappingProxyType(
    {
        "signed_in": RecoveryEnd.SIGNED_IN,
        "real_success": RecoveryEnd.SIGNED_IN,
        "factor_added": RecoveryEnd.SIGNED_IN,
        "admin_reset": RecoveryEnd.GONE,
        "sso": RecoveryEnd.LEFT,
        "account_inactive": RecoveryEnd.LEFT,
        ATTACK: RecoveryEnd.ATTACK,
        UNHEARD: RecoveryEnd.UNHEARD,
    }
)


def told_end(state: RecoveryState, reason: str) -> RecoveryEnd:
    """What its owner is told of why a waiting request ended."""
    match state:
        case RecoveryState.DENIED:
            return RecoveryEnd.DENIED  # the reason is the admin's own text
        case RecoveryState.SUPERSEDED:
            return RecoveryEnd.GONE
        case _:
            return _CAUSES.get(reason, RecoveryEnd.STOPPED)


def is_elsewhere(request: RecoveryRequest, channel: Channel, masked: str) -> bool:
    """Whether an address is another one than the mailbox that proves the request. Two that look alike count as one."""
    return channel is not Channel.EMAIL or masked != request.mailbox_masked


def is_heard(request: RecoveryRequest, notification: str, channel: Channel, masked: str) -> bool:
    """Whether a notice of it that a provider took counts: elsewhere than at the mailbox, or to the tenant's admins."""
    return notification == Notification.RECOVERY_FOR_ADMINS or is_elsewhere(request, channel, masked)


def is_real_success(purpose: Purpose, method: Method, *, by_factor: bool) -> bool:
    """Whether a verified challenge shows that its owner can sign in: by a factor, backup code, key or recovery code.

    A trusted device is none (it may be what was stolen), nor a mailed code that only proves a mailbox.
    """
    match method:
        case Method.TRUSTED_DEVICE:
            return False
        case Method.TOTP | Method.SMS | Method.EMAIL | Method.WEBAUTHN:
            return by_factor and purpose is not Purpose.RECOVERY
        case Method.BACKUP_CODE | Method.RECOVERY_KEY | Method.RECOVERY_CODE:
            return True


def draft_timer(request: RecoveryRequest) -> Timer:
    """Ends a draft that nobody proves."""
    return _timer(
        request, ExpireRecovery(recovery_id=request.recovery_id), str(request.recovery_id), request.draft_until
    )


def waiting_timers(request: RecoveryRequest, now: dt.datetime) -> list[Timer]:
    """The notices at half time and one hour before, and the end of the waiting period."""
    if request.ready_at is None or request.proved_at is None:
        return []
    own = request.recovery_id
    stages = {
        "half_time": request.proved_at + (request.ready_at - request.proved_at) / 2,
        "last_hour": request.ready_at - _HOUR,
    }
    reminders = [
        _timer(request, RemindOfRecovery(recovery_id=own, stage=stage), f"{own}/{stage}", at)
        for stage, at in stages.items()
        if now < at
    ]
    return [*reminders, _timer(request, FinishRecovery(recovery_id=own), str(own), request.ready_at)]


def recovery_subjects(recovery_id: RecoveryId) -> list[str]:
    """The subjects of all timers of a request, to cancel them by."""
    return [str(recovery_id), f"{recovery_id}/half_time", f"{recovery_id}/last_hour"]


def _timer(
    request: RecoveryRequest,
    command: ExpireRecovery | FinishRecovery | RemindOfRecovery,
    subject: str,
    at: dt.datetime,
) -> Timer:
    return Timer(command=command, account_id=request.account_id, subject=subject, at=at)
