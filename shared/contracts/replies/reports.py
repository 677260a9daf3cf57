"""Answers about reports."""

import datetime as dt

from shared.contracts.types import EnforcementState, ReportId, ReportState, Role, Value


class ReportProgress(Value):
    """Accounts looked at, of how many; `total` is counted when the work begins."""

    done: int
    total: int | None = None


class ReportView(Value):
    """A report: who uses a second factor."""

    id: ReportId
    format: str
    state: ReportState
    role: Role | None = None
    enforcement_state: EnforcementState | None = None
    progress: ReportProgress
    accounts: int  # in it so far
    size_bytes: int
    requested_at: dt.datetime
    ready_at: dt.datetime | None = None
    expires_at: dt.datetime
    mail_to_account: str | None = None
    downloads_left: int | None = None  # of the mailed link; with an API key there is no count


class OpenedReport(Value):
    """A download that may begin: so many chunks, which are so many bytes together."""

    file_name: str
    chunks: int
    size_bytes: int


class ReportChunk(Value):
    """A piece of the file, compressed (RFC 1950) and sealed: ring seal.policy, `report_chunk_place`."""

    sealed: str
