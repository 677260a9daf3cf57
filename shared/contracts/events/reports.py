"""What happened to reports."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import AccountId, EnforcementState, ReportId, Role


class ReportEvent(Event):
    """What all events of a report say."""

    report_id: ReportId


class ReportRequested(ReportEvent):
    type = "report.requested"

    role: Role | None = None
    state: EnforcementState | None = None
    mail_to: AccountId | None = None


class ReportReady(ReportEvent):
    type = "report.ready"

    accounts: int
    expires_at: dt.datetime


class ReportDownloaded(ReportEvent):
    """A download began; `is_by_link`: with the mailed link, not with an API key."""

    type = "report.downloaded"

    is_by_link: bool


class ReportExpired(ReportEvent):
    """Its content is gone."""

    type = "report.expired"
