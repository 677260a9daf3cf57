"""What a policy would do to whom, and on which day, if it were saved now. The same rule decides as after saving."""

import datetime as dt
from dataclasses import dataclass, field

from services.policy.domain.known import NOTHING, Granted, Known, facts_of
from services.policy.domain.requirement import StoredPolicy
from shared.contracts.replies import PolicyPreview, PreviewDay, PreviewedAccount, PreviewTotals
from shared.contracts.types import EnforcementState, Role
from shared.rules.enforcement import Enforcement, outlook

ACCOUNTS_A_DAY = 20  # named; all are counted
MOST_DAYS = 100  # listed

_HINDERED = (EnforcementState.LOCKED_OUT, EnforcementState.MUST_ENROL)

Outlook = list[tuple[dt.datetime, Enforcement]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed(Known):
    """One account as the preview looks at it."""

    is_reachable: bool  # a notice could get there by mail or SMS
    held_factors: int = 0
    was_satisfied: bool = False
    granted: Granted | None = None  # nothing is the rule


class Outlooks:
    """Where accounts will stand under one policy. Most of a helpdesk are alike: what was worked out once serves all."""

    def __init__(self, stored: StoredPolicy, now: dt.datetime) -> None:
        self._stored = stored
        self._now = now
        self._known: dict[tuple[Role, bool, bool, bool, bool], Outlook] = {}

    def of(self, account: Previewed) -> Outlook:
        """From now on, each change that time alone brings."""
        covered = self._stored.requirements.get(account.role)
        is_ordinary = account.granted is None and account.returned_at is None
        is_alike = is_ordinary and covered is not None and account.subject_since <= covered.since
        if not is_alike:
            return self._worked_out(account)
        key = (account.role, account.is_active, account.is_sso, account.held_factors > 0, account.was_satisfied)
        if key not in self._known:
            self._known[key] = self._worked_out(account)
        return self._known[key]

    def _worked_out(self, account: Previewed) -> Outlook:
        facts = facts_of(
            account,
            account.granted or NOTHING,
            self._stored,
            held_factors=account.held_factors,
            was_satisfied=account.was_satisfied,
        )
        return outlook(self._stored.policy, facts, self._now)


@dataclass(slots=True)
class _Day:
    locked_out: int = 0
    must_enrol: int = 0
    admins: int = 0
    unreachable: int = 0
    accounts: list[PreviewedAccount] = field(default_factory=list)


class Preview:
    """Counts accounts, page by page; what it holds does not grow with their number."""

    def __init__(self, before: StoredPolicy, after: StoredPolicy, now: dt.datetime) -> None:
        """``before`` is in force, ``after`` is what saving would store."""
        self._before = Outlooks(before, now)
        self._after = Outlooks(after, now)
        self._states = dict.fromkeys(EnforcementState, 0)
        self._locked_out_already = 0
        self._days: dict[dt.date, _Day] = {}

    def add(self, account: Previewed) -> None:
        """Count one account."""
        seen = self._after.of(account)
        state = seen[0][1].state
        self._states[state] += 1
        if state is EnforcementState.LOCKED_OUT and self._before.of(account)[0][1].state is state:
            self._locked_out_already += 1
        for at, enforcement in seen:
            if enforcement.state in _HINDERED:
                self._count(account, at, enforcement.state)

    def result(self, *, would_lock_out_admins: bool) -> PolicyPreview:
        """What was counted, day by day (UTC)."""
        days = sorted(self._days.items())
        return PolicyPreview(
            would_lock_out_admins=would_lock_out_admins,
            totals=PreviewTotals(
                accounts=sum(self._states.values()),
                locked_out_already=self._locked_out_already,
                **{state.value: count for state, count in self._states.items()},
            ),
            days=tuple(
                PreviewDay(
                    date=date,
                    locked_out=day.locked_out,
                    must_enrol=day.must_enrol,
                    admins=day.admins,
                    unreachable=day.unreachable,
                    accounts=tuple(day.accounts),
                    has_more_accounts=day.locked_out + day.must_enrol > len(day.accounts),
                )
                for date, day in days[:MOST_DAYS]
            ),
            has_more_days=len(days) > MOST_DAYS,
        )

    def _count(self, account: Previewed, at: dt.datetime, state: EnforcementState) -> None:
        day = self._days.setdefault(at.astimezone(dt.UTC).date(), _Day())
        is_admin = account.role is Role.ADMIN
        if state is EnforcementState.LOCKED_OUT:
            day.locked_out += 1
        else:
            day.must_enrol += 1
        day.admins += is_admin
        day.unreachable += not account.is_reachable
        if len(day.accounts) < ACCOUNTS_A_DAY:
            day.accounts.append(
                PreviewedAccount(
                    account_id=account.account_id,
                    role=account.role,
                    state=state,
                    at=at,
                    is_admin=is_admin,
                    is_reachable=account.is_reachable,
                )
            )
