"""What must be true of one account, in plain Python: it shares no line with the product, so that both would have to be
wrong in the same way.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyotp

STEP: Final = 30  # seconds
DAY: Final = dt.timedelta(days=1)
MINUTE: Final = dt.timedelta(minutes=1)
BLUR: Final = dt.timedelta(seconds=20)
"""Around an instant nothing is said: on a busy machine the product reads its clock some time after the model."""

Policy = Mapping[str, Any]

NOBODY: Final[Policy] = {"required": {"scope": "nobody"}}
POLICIES: Final[tuple[Policy, ...]] = (
    NOBODY,
    {"required": {"scope": "all"}, "grace_days": 7},
    {"required": {"scope": "roles", "roles": ["agent"]}, "grace_days": 7},
    {"required": {"scope": "roles", "roles": ["customer"]}, "grace_days": 2},
    {"required": {"scope": "all"}, "grace_days": 14, "after_grace": "enrol"},
    {"required": {"scope": "all"}, "grace_days": None},
    {"required": {"scope": "all"}, "grace_days": 1, "enrol_when_locked_out": True},
    {"required": {"scope": "all"}, "grace_days": 7, "recovery": {"enabled": False}, "trusted_device_days": 0},
    {"required": {"scope": "nobody"}, "recovery": {"enabled": True, "wait_hours": 48}, "enrolment_proof": True},
)


def covers(policy: Policy, role: str) -> bool:
    """Whether the policy asks the role for a second factor."""
    required = policy["required"]
    return required["scope"] == "all" or role in required.get("roles", ())


def step_at(now: dt.datetime) -> int:
    """RFC 6238's time step."""
    return int(now.timestamp()) // STEP


@dataclass(slots=True)
class App:
    """An authenticator on a phone, and the latest of its steps that was accepted."""

    seed: str = field(repr=False)
    begun_at: dt.datetime
    is_active: bool = False
    last_step: int = -1
    wrong: int = 0
    begun_on: str | None = None  # the app whose code allowed to set it up

    def code(self, step: int) -> str:
        """The six digits of a step."""
        return pyotp.TOTP(self.seed).at(step * STEP)


@dataclass(slots=True)
class Token:
    """A browser that was trusted."""

    value: str = field(repr=False)
    given_at: dt.datetime
    epoch: int


@dataclass(slots=True)
class Recovery:
    """A request as its rules say it goes."""

    id: str
    requested_at: dt.datetime
    state: str = "draft"
    proved_at: dt.datetime | None = None
    ready_at: dt.datetime | None = None  # at the earliest
    ended_at: dt.datetime | None = None
    is_attack: bool = False


@dataclass(slots=True)
class Truth:
    """The account, its tenant's policy, and what follows from both."""

    now: dt.datetime
    role: str = "agent"
    is_sso: bool = False
    policy: Policy = field(default_factory=lambda: NOBODY)
    policy_changed_at: dt.datetime | None = None
    covered: dict[str, tuple[dt.datetime, dt.datetime | None]] = field(default_factory=dict)
    subject_since: dt.datetime | None = None
    password_changed_at: dt.datetime | None = None
    address_changed_at: dt.datetime | None = None
    is_address_proved: bool = False
    extended_until: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    alone_since: dt.datetime | None = None  # required for itself, whatever the policy says
    apps: dict[str, App] = field(default_factory=dict)
    was_enrolled: bool = False
    epoch: int = 0
    codes: list[str] = field(default_factory=list, repr=False)
    used_codes: list[str] = field(default_factory=list, repr=False)
    accepted: list[tuple[str, int]] = field(default_factory=list)  # every app and step that ever passed
    tokens: list[Token] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    created_at: dt.datetime = field(init=False)

    def __post_init__(self) -> None:
        self.created_at = self.subject_since = self.address_changed_at = self.now

    # what holds

    @property
    def active(self) -> list[str]:
        """The apps that count."""
        return [factor_id for factor_id, app in self.apps.items() if app.is_active]

    @property
    def pending(self) -> str | None:
        """The app that is being set up."""
        return next((factor_id for factor_id, app in self.apps.items() if not app.is_active), None)

    @property
    def recovery(self) -> Recovery | None:
        """The open request."""
        last = self.recoveries[-1] if self.recoveries else None
        return last if last is not None and last.state in ("draft", "waiting") else None

    def is_covered(self) -> bool:
        """Whether a password login of the account is in the requirement; SSO is no way around it."""
        return self.alone_since is not None or covers(self.policy, self.role)

    def is_required(self) -> bool:
        """Whether it must have a factor now; in the blur of an exemption's end it need not be asked."""
        return self.is_covered() and (self.exempt_until is None or self.now >= self.exempt_until)

    def decisions(self) -> set[str]:
        """What a login with the right password may be answered; more than one where two rules meet in an instant."""
        if self.active:
            return {"challenge"}
        if not self.is_covered():
            return {"allow"}
        if self.exempt_until is not None:
            if not self._differs_from(self.exempt_until):
                return {"allow", "enrol_optional", "enrol", "locked_out"}
            if self.now < self.exempt_until:
                return {"allow"}
        if self.extended_until is not None and self._differs_from(self.extended_until):
            if self.now < self.extended_until:
                return {"enrol_optional"}
        elif self.extended_until is not None:
            return {"enrol_optional", "enrol", "locked_out"}
        if self.was_enrolled:
            return {"enrol"}  # no second grace
        return self._by_deadline()

    def _by_deadline(self) -> set[str]:
        deadline, after = self._deadline()
        if deadline is not None and self.now < deadline - BLUR:
            return {"enrol_optional"}
        promised = [at for at in (self.policy_changed_at, self.exempt_until) if at is not None]
        was_changed = bool(promised) and self.now < max(promised) + DAY + BLUR
        if was_changed or (deadline is not None and not self._differs_from(deadline)):
            return {"enrol_optional", "enrol", "locked_out"}  # a nearer deadline may be owed a day's notice
        return {after}

    def _deadline(self) -> tuple[dt.datetime | None, str]:
        days = self.policy.get("grace_days", 7)
        assert self.subject_since is not None
        if days is None:
            return None, "enrol"
        since = [self.alone_since] if self.alone_since is not None else []
        if covers(self.policy, self.role):
            since.append(self.covered[self.role][0])
        after = "enrol" if self.policy.get("after_grace") == "enrol" else "locked_out"
        return max(min(since), self.subject_since) + days * DAY, after

    def _differs_from(self, instant: dt.datetime) -> bool:
        return abs(self.now - instant) > BLUR

    def is_trusted(self, token: Token) -> bool:
        """Whether a browser is still let in without a code."""
        days = int(self.policy.get("trusted_device_days", 30))
        was_changed = self.password_changed_at is not None and self.password_changed_at >= token.given_at
        return token.epoch == self.epoch and not was_changed and self.now < token.given_at + min(days, 30) * DAY - BLUR

    def needs_mailbox(self) -> bool:
        """Whether a first factor needs a mailed code first."""
        return self.was_enrolled or bool(self.policy.get("enrolment_proof")) or "locked_out" in self.decisions()

    def has_mailbox(self) -> bool | None:
        """Whether the address serves recovery; None: it is just settling."""
        assert self.address_changed_at is not None
        settled_at = self.address_changed_at + 7 * DAY
        if self.is_address_proved:
            return True
        return self.now >= settled_at if self._differs_from(settled_at) else None

    def earliest_end(self, proved_at: dt.datetime) -> dt.datetime:
        """When a recovery that was proved then may be over."""
        assert self.address_changed_at is not None
        hours = self.policy.get("recovery", {}).get("wait_hours", 24)
        instants = [proved_at + dt.timedelta(hours=hours)]
        if self.password_changed_at is not None:
            instants.append(self.password_changed_at + 3 * DAY)
        if self.address_changed_at != self.created_at:
            instants.append(self.address_changed_at + 7 * DAY)
        return max(instants)

    # what happens

    def set_policy(self, policy: Policy) -> None:
        """Since when each role is covered; off for less than 30 days counts as never off."""
        for role in ("agent", "customer"):
            since, until = self.covered.get(role, (None, None))
            if not covers(policy, role):
                if since is not None:
                    self.covered[role] = since, until or self.now
            elif since is None or (until is not None and until + 30 * DAY <= self.now):
                self.covered[role] = self.now, None
            else:
                self.covered[role] = since, None
        self.policy, self.policy_changed_at = policy, self.now

    def set_alone(self, *, is_required: bool) -> None:
        """What is asked of this account only; a promise of the policy holds for a day more."""
        if is_required != (self.alone_since is not None):
            self.alone_since = self.now if is_required else None
        self.policy_changed_at = self.now

    def set_role(self, role: str) -> None:
        """A grace period starts for who was in no requirement before."""
        if role != self.role and not covers(self.policy, self.role):
            self.subject_since = self.now
        self.role = role

    def confirmed(self, factor_id: str, step: int) -> None:
        """An app counts; what was trusted before, does not."""
        app = self.apps[factor_id]
        app.is_active, app.last_step = True, step
        self.accepted.append((factor_id, step))
        self.was_enrolled = True
        self.epoch += 1
        self.cancel_recovery()

    def removed(self, factor_id: str) -> None:
        """An app goes; with the last one the codes."""
        del self.apps[factor_id]
        self.epoch += 1
        if not self.active:
            self.void_codes()
            self.cancel_recovery("superseded")

    def void_codes(self) -> None:
        """The codes are paper now."""
        self.used_codes += self.codes
        self.codes = []

    def cancel_recovery(self, state: str = "cancelled", *, is_attack: bool = False) -> None:
        """The open request ends."""
        request = self.recovery
        if request is not None:
            request.state, request.ended_at, request.is_attack = state, self.now, is_attack

    def executed(self) -> None:
        """2FA is off."""
        request = self.recovery
        assert request is not None
        request.state, request.ended_at = "executed", self.now
        self._taken_down()

    def reset(self) -> None:
        """An admin took everything down."""
        self.cancel_recovery()
        self._taken_down()

    def _taken_down(self) -> None:
        self.apps = {}
        self.extended_until = None
        self.epoch += 1
        self.void_codes()
