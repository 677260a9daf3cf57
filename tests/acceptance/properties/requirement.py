"""Who must have a second factor, and by when: the model's own reading of a policy and of what an admin granted."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.acceptance.properties.things import BLUR, DAY, is_before

Policy = Mapping[str, Any]

_ALL: Final[Policy] = {"required": {"scope": "all"}}
NOBODY: Final[Policy] = {"required": {"scope": "nobody"}}
OVERDUE: Final[Policy] = {**_ALL, "grace_days": 7}
POLICIES: Final[tuple[Policy, ...]] = (
    NOBODY,
    OVERDUE,
    {"required": {"scope": "roles", "roles": ["agent"]}, "grace_days": 7},
    {"required": {"scope": "roles", "roles": ["customer"]}, "grace_days": 2, "recovery_key": "beside"},
    {**_ALL, "grace_days": 14, "after_grace": "enrol", "backup_codes": "before_activation"},
    {**_ALL, "grace_days": None},
    {**_ALL, "grace_days": 1, "enrol_when_locked_out": True, "api_password": "allow_in_grace"},
    {**_ALL, "grace_days": 7, "recovery": {"enabled": False}, "trusted_device_days": 0},
    {**NOBODY, "recovery": {"enabled": True, "wait_hours": 48}, "enrolment_proof": True},
    {**_ALL, "grace_days": None, "grace_until": 5 * DAY},
    {**_ALL, "grace_days": 2, "grace_until": 5 * DAY, "after_grace": "lock_out", "recovery_key": "instead"},
    {**NOBODY, "backup_codes": "before_activation", "recovery_key": "beside"},
    {**_ALL, "grace_days": 7, "backup_codes": "before_activation", "recovery_key": "instead"},
    {**NOBODY, "methods": ["sms", "email"], "trusted_device_days": 3},
    {**_ALL, "grace_days": 3, "methods": ["totp"]},
)
"""A `grace_until` is counted from the day on which the policy is saved."""

ROLES: Final = ("agent", "customer")
HINDERED: Final = frozenset({"enrol_optional", "enrol", "locked_out"})


def dated(policy: Policy, now: dt.datetime) -> Policy:
    """The policy as it is saved."""
    until = policy.get("grace_until")
    return policy if until is None else {**policy, "grace_until": now + until}


def written(policy: Policy) -> dict[str, Any]:
    """The policy as a body of the API."""
    until = policy.get("grace_until")
    return {**policy, "grace_until": until.isoformat()} if until is not None else dict(policy)


def covers(policy: Policy, role: str) -> bool:
    """Whether the policy asks the role for a second factor."""
    required = policy["required"]
    return required["scope"] == "all" or role in required.get("roles", ())


@dataclass(slots=True)
class Requirement:
    """The tenant's policy, and what of it holds for the account."""

    subject_since: dt.datetime
    role: str = "agent"
    policy: Policy = field(default_factory=lambda: NOBODY)
    covered: dict[str, tuple[dt.datetime, dt.datetime | None]] = field(default_factory=dict)
    changed_at: dt.datetime | None = None
    not_locked_before: dt.datetime | None = None  # whatever is saved, nobody is locked out on the spot
    extended_until: dt.datetime | None = None
    exempt_until: dt.datetime | None = None
    alone_since: dt.datetime | None = None  # required for itself, whatever the policy says
    alone_before: tuple[dt.datetime, dt.datetime] | None = None  # from when until when it was so last

    def of_newcomer(self, now: dt.datetime) -> "Requirement":
        """The same policy for an account that is made now."""
        return replace(
            self,
            subject_since=now,
            role="agent",
            not_locked_before=None,
            extended_until=None,
            exempt_until=None,
            alone_since=None,
            alone_before=None,
        )

    # what holds

    def is_covered(self) -> bool:
        """Whether a password login of the account is in the requirement; SSO is no way around it."""
        return self.alone_since is not None or covers(self.policy, self.role)

    def is_exempt(self, now: dt.datetime) -> bool | None:
        """Whether an admin exempted it; None: that is ending just now."""
        return False if self.exempt_until is None else is_before(now, self.exempt_until)

    def of_bare(self, now: dt.datetime, *, was_enrolled: bool) -> set[str]:
        """What a login without a factor may be answered; more than one where two rules meet in an instant."""
        if not self.is_covered():
            return {"allow"}
        is_exempt = self.is_exempt(now)
        if is_exempt is not False:
            return {"allow"} if is_exempt else {"allow", *HINDERED}
        is_extended = False if self.extended_until is None else is_before(now, self.extended_until)
        if is_extended is not False:
            return {"enrol_optional"} if is_extended else set(HINDERED)
        return {"enrol"} if was_enrolled else self._by_deadline(now)  # no second grace

    def _by_deadline(self, now: dt.datetime) -> set[str]:
        deadline, after = self._deadline()
        if deadline is not None and now < deadline - BLUR:
            return {"enrol_optional"}
        promised = [at for at in (self.changed_at, self.exempt_until) if at is not None]
        was_changed = bool(promised) and now < max(promised) + DAY + BLUR
        if was_changed or (deadline is not None and is_before(now, deadline) is None):
            is_promised = self.not_locked_before is not None and now < self.not_locked_before - BLUR
            return {"enrol_optional", "enrol"} if is_promised else set(HINDERED)
        return {after}

    def _deadline(self) -> tuple[dt.datetime | None, str]:
        days, until = self.policy.get("grace_days", 7), self.policy.get("grace_until")
        since = [self.alone_since] if self.alone_since is not None else []
        if covers(self.policy, self.role):
            since.append(self.covered[self.role][0])
        start = max(min(since), self.subject_since)
        ends = [start + days * DAY] if days is not None else []
        ends += [max(until, start + DAY)] if until is not None else []
        follows = self.policy.get("after_grace", "lock_out" if until is None else "enrol")
        return max(ends, default=None), "locked_out" if follows == "lock_out" and ends else "enrol"

    # what happens

    def set_policy(self, policy: Policy, now: dt.datetime, *, was_enrolled: bool) -> None:
        """Since when each role is covered; off for less than 30 days counts as never off."""
        self._promise(now, was_enrolled=was_enrolled)
        for role in ROLES:
            since, until = self.covered.get(role, (None, None))
            if not covers(policy, role):
                if since is not None:
                    self.covered[role] = since, until or now
            elif since is None or (until is not None and until + 30 * DAY <= now):
                self.covered[role] = now, None
            else:
                self.covered[role] = since, None
        self.policy, self.changed_at = policy, now

    def _promise(self, now: dt.datetime, *, was_enrolled: bool) -> None:
        """Who was to enrol has a day more at least, or until the old policy would have locked.

        Who was let in without: a requirement that was off for a while locks again whom it had locked out.
        """
        match tuple(self.of_bare(now, was_enrolled=was_enrolled)):
            case ("enrol_optional",):
                deadline, after = self._deadline()
                lock = deadline if deadline is not None and after == "locked_out" else now + DAY
            case ("enrol",):
                lock = now + DAY
            case _:
                return
        owed = min(lock, now + DAY)
        self.not_locked_before = max(owed, self.not_locked_before or owed)

    def set_alone(self, now: dt.datetime, *, is_required: bool) -> None:
        """What is asked of this account only; a promise of the policy holds for a day more."""
        if is_required and self.alone_since is None:
            is_resumed = self.alone_before is not None and now < self.alone_before[1] + 30 * DAY
            self.alone_since = self.alone_before[0] if self.alone_before is not None and is_resumed else now
        elif not is_required and self.alone_since is not None:
            self.alone_before = self.alone_since, now
            self.alone_since = None
        self.changed_at, self.not_locked_before = now, None

    def set_role(self, role: str, now: dt.datetime) -> None:
        """A grace period starts for who was in no requirement before."""
        if role != self.role and not self.is_covered():
            self.subject_since = now
        if role != self.role:
            self.not_locked_before = None
        self.role = role

    def is_back(self, now: dt.datetime, away_since: dt.datetime) -> None:
        """The account is active again: after long its grace period starts anew, else a day's notice is owed."""
        if away_since + 30 * DAY <= now:
            self.subject_since = now
        self.changed_at, self.not_locked_before = now, None

    def clear(self, now: dt.datetime) -> None:
        """Only the policy holds, as soon as a day's notice is over."""
        self.set_alone(now, is_required=False)
        self.end_exemption(now)
        self.end_extension(now)

    def end_exemption(self, now: dt.datetime) -> None:
        """Now, if it has not ended before."""
        self.exempt_until = min(self.exempt_until, now) if self.exempt_until is not None else None

    def end_extension(self, now: dt.datetime) -> None:
        """In a day."""
        self.extended_until = min(self.extended_until, now + DAY) if self.extended_until is not None else None
