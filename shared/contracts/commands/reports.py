"""Reports of who uses a second factor, to policy."""

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.types import AccountId, Acting, EnforcementState, ReportId, Role, Sealed

_POLICY_REQUESTS = "policy.requests"
_POLICY_COMMANDS = "policy.commands"


class StartReport(Request):
    """Write the list of who uses a second factor: of one role or state where it is said. Answer: `ReportView`.

    `mail_to`: the account of an admin, who is mailed a link when it is ready.
    """

    type = "start_report"
    lane = _POLICY_REQUESTS

    role: Role | None = None
    state: EnforcementState | None = None
    mail_to: AccountId | None = None
    acting: Acting | None = None


class ReadReport(Request):
    """How far a report is. Answer: `ReportView`."""

    type = "read_report"
    lane = _POLICY_REQUESTS

    report_id: ReportId


class OpenReport(Request):
    """A download begins: by the mailed link, whose `token` is good three times, or by an API key.

    Answer: `OpenedReport`.
    """

    type = "open_report"
    lane = _POLICY_REQUESTS

    report_id: ReportId
    token: Sealed | None = None  # ring seal.policy, typed_place(tenant, report id, "token")
    is_look: bool = False  # what a download would be, without one: nothing is counted, nothing said


class ReadReportChunk(Request):
    """A piece of a report, for a download that `OpenReport` allowed. Answer: `ReportChunk`."""

    type = "read_report_chunk"
    lane = _POLICY_REQUESTS

    report_id: ReportId
    number: int  # from 0


class WriteReportPage(Command):
    """Write the next page of a report: number `page`, counted from 0."""

    type = "write_report_page"
    lane = _POLICY_COMMANDS

    report_id: ReportId
    page: int


class ExpireReport(Command):
    """The time of a report may be over."""

    type = "expire_report"
    lane = _POLICY_COMMANDS

    report_id: ReportId
