"""The list of who uses a second factor: when it may be had, and how an account becomes a line of it.

CSV as RFC 4180 says. It holds the helpdesk's own account ids, no name and no address.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.policy.domain.account import Account
from services.policy.domain.known import NOTHING, Granted, Known, facts_of
from services.policy.domain.requirement import StoredPolicy
from services.policy.domain.timer import Timer
from shared.contracts.commands import ExpireReport
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EnforcementState, FactorType, ReportId, ReportState, Role
from shared.rules.csv_text import line
from shared.rules.enforcement import Enforcement, enforcement_of

LIFETIME = dt.timedelta(hours=24)
DOWNLOADS = 3  # by the mailed link
MOST_ALIVE = 10  # reports of a tenant that are being written or can be had
REMEMBERED_FOR = dt.timedelta(days=30)  # that there was one; its content goes at its end
FORMAT = "csv"

COLUMNS = (
    "account_id", "role", "active", "sso", "enforcement", "deadline", "exempt_until", "uses_2fa", "factor_types",
    "active_factors", "suspended_factors", "backup_codes_left", "first_enrolled_at", "last_used_at",
)  # fmt: skip

"""What a spreadsheet takes for the beginning of a formula, the full-width forms included (OWASP, CSV injection)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report; instants are tenant time."""

    report_id: ReportId
    state: ReportState
    role: Role | None
    enforcement_state: EnforcementState | None
    mail_to: str | None
    next_page: int
    cursor: str
    accounts_total: int | None
    accounts_done: int
    accounts_written: int
    chunks: int
    size_bytes: int
    token_digest: bytes | None
    downloads_left: int | None
    requested_at: dt.datetime
    ready_at: dt.datetime | None
    expires_at: dt.datetime

    def is_over(self, now: dt.datetime) -> bool:
        """Whether its time is up, whatever the timer has said of it."""
        return self.state is ReportState.EXPIRED or self.expires_at <= now

    @property
    def file_name(self) -> str:
        """For who stores it."""
        return f"two-factor-{self.requested_at:%Y-%m-%d}.{FORMAT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is known of one account's factors, as otp_worker says."""

    first_enrolled_at: dt.datetime | None = None
    last_success_at: dt.datetime | None = None
    factor_types: tuple[FactorType, ...] = ()
    active_factors: int = 0
    suspended_factors: int = 0
    backup_codes_left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """A page of accounts and what is known of them, by id where there is something."""

    known: Sequence[Known]
    granted: Mapping[str, Granted] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)


def new_report(
    report_id: ReportId,
    *,
    role: Role | None,
    enforcement_state: EnforcementState | None,
    mail_to: str | None,
    now: dt.datetime,
) -> Report:
    """One of which nothing is written yet."""
    return Report(
        report_id=report_id,
        state=ReportState.RUNNING,
        role=role,
        enforcement_state=enforcement_state,
        mail_to=mail_to,
        next_page=0,
        cursor="",
        accounts_total=None,
        accounts_done=0,
        accounts_written=0,
        chunks=0,
        size_bytes=0,
        token_digest=None,
        downloads_left=None,
        requested_at=now,
        ready_at=None,
        expires_at=now + LIFETIME,
    )


def may_not_be_mailed(account: Account | None) -> RefusalCode | None:
    """Why this account cannot get the link; None: it can. Whoever has the link has the list."""
    if account is None:
        return RefusalCode.ACCOUNT_NOT_FOUND
    if not account.is_active:
        return RefusalCode.ACCOUNT_INACTIVE
    if account.role is not Role.ADMIN:
        return RefusalCode.RECIPIENT_NOT_AN_ADMIN
    return None if account.is_mailbox_known else RefusalCode.NO_MAILBOX


def refusal_of(report: Report | None, now: dt.datetime) -> RefusalCode | None:
    """Why a report cannot be downloaded now; None: it can."""
    if report is None:
        return RefusalCode.REPORT_NOT_FOUND
    if report.is_over(now):
        return RefusalCode.REPORT_EXPIRED
    return RefusalCode.REPORT_NOT_READY if report.state is ReportState.RUNNING else None


def expiry_timer(report_id: ReportId, at: dt.datetime) -> Timer:
    """Ends a report, whether anybody had it or not."""
    return Timer(command=ExpireReport(report_id=report_id), account_id=None, subject=f"report/{report_id}", at=at)


def header() -> str:
    """The first line."""
    return line(COLUMNS)


def lines(accounts: Accounts, stored: StoredPolicy, wanted: EnforcementState | None, now: dt.datetime) -> list[str]:
    """A line for each account that stands as wanted."""
    written = []
    for each in accounts.known:
        usage = accounts.usage.get(each.account_id, _NEVER_ENROLLED)
        facts = facts_of(
            each,
            accounts.granted.get(each.account_id, NOTHING),
            stored,
            held_factors=usage.active_factors + usage.suspended_factors,
            was_satisfied=usage.first_enrolled_at is not None,
        )
        enforcement = enforcement_of(stored.policy, facts, now)
        if wanted in (None, enforcement.state):
            written.append(_line(each, usage, enforcement))
    return written


_NEVER_ENROLLED = Usage()


def _line(known: Known, usage: Usage, enforcement: Enforcement) -> str:
    return line(
        (
            known.account_id,
            known.role.value,
            _yes_no(known.is_active),
            _yes_no(known.is_sso),
            enforcement.state.value,
            _instant(enforcement.deadline),
            _instant(enforcement.exempt_until),
            _yes_no(usage.active_factors > 0),
            " ".join(usage.factor_types),
            str(usage.active_factors),
            str(usage.suspended_factors),
            str(usage.backup_codes_left),
            _instant(usage.first_enrolled_at),
            _instant(usage.last_success_at),
        )
    )


def _yes_no(value: object) -> str:
    return "yes" if value else "no"


def _instant(at: dt.datetime | None) -> str:
    """RFC 3339, UTC, to the second; nothing where there is none."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else ""
