"""Reports and their chunks. Each transition is a compare-and-set."""

import datetime as dt
from uuid import UUID

from services.policy.domain.report import Report
from shared.contracts.types import EnforcementState, ReportId, ReportState, Role
from shared.db.connection import Connection, Record


async def insert_report(conn: Connection, tenant_id: UUID, report: Report) -> None:
    """A report whose first page is still to be written."""
    await conn.execute(
        """
        INSERT INTO policy.reports
               (tenant_id, report_id, state, role, enforcement_state, mail_to, requested_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        tenant_id,
        report.report_id,
        report.state.value,
        report.role.value if report.role is not None else None,
        report.enforcement_state.value if report.enforcement_state is not None else None,
        report.mail_to,
        report.requested_at,
        report.expires_at,
    )


async def find_report(conn: Connection, tenant_id: UUID, report_id: ReportId) -> Report | None:
    """By its id."""
    row = await conn.fetchrow(
        """
        SELECT report_id, state, role, enforcement_state, mail_to, next_page, cursor, accounts_total, accounts_done,
               accounts_written, chunks, size_bytes, token_digest, downloads_left, requested_at, ready_at, expires_at
          FROM policy.reports WHERE tenant_id = $1 AND report_id = $2
        """,
        tenant_id,
        report_id,
    )
    return _report(row) if row else None


async def lock_page(conn: Connection, tenant_id: UUID, report_id: ReportId, page: int) -> Report | None:
    """The report, if this page is its next one, and nobody else's until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT report_id, state, role, enforcement_state, mail_to, next_page, cursor, accounts_total, accounts_done,
               accounts_written, chunks, size_bytes, token_digest, downloads_left, requested_at, ready_at, expires_at
          FROM policy.reports
         WHERE tenant_id = $1 AND report_id = $2 AND next_page = $3 AND state = 'running'
           FOR NO KEY UPDATE
        """,
        tenant_id,
        report_id,
        page,
    )
    return _report(row) if row else None


async def count_alive(conn: Connection, tenant_id: UUID, now: dt.datetime) -> int:
    """Reports that are being written or can be had."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM policy.reports WHERE tenant_id = $1 AND state <> 'expired' AND expires_at > $2",
        tenant_id,
        now,
    )
    return count


async def forget_reports(conn: Connection, tenant_id: UUID, *, ended_before: dt.datetime) -> None:
    """Reports that ended long ago."""
    await conn.execute(
        "DELETE FROM policy.reports WHERE tenant_id = $1 AND state = 'expired' AND ended_at < $2",
        tenant_id,
        ended_before,
    )


async def count_accounts(conn: Connection, tenant_id: UUID) -> int:
    """Of the tenant, for the progress."""
    count: int = await conn.fetchval("SELECT count(*) FROM policy.accounts WHERE tenant_id = $1", tenant_id)
    return count


async def move_on(
    conn: Connection,
    tenant_id: UUID,
    report_id: ReportId,
    *,
    cursor: str,
    total: int | None,
    done: int,
    written: int,
    size_bytes: int,
) -> None:
    """A page is written: the counts go up by its own, and the cursor stands behind it."""
    await conn.execute(
        """
        UPDATE policy.reports
           SET next_page = next_page + 1, cursor = $3, accounts_total = $4, accounts_done = accounts_done + $5,
               accounts_written = accounts_written + $6, size_bytes = size_bytes + $7,
               chunks = chunks + CASE WHEN $7 > 0 THEN 1 ELSE 0 END
         WHERE tenant_id = $1 AND report_id = $2
        """,
        tenant_id,
        report_id,
        cursor,
        total,
        done,
        written,
        size_bytes,
    )


async def insert_chunk(conn: Connection, tenant_id: UUID, report_id: ReportId, number: int, sealed: str) -> None:
    """A piece of the file."""
    await conn.execute(
        "INSERT INTO policy.report_chunks (tenant_id, report_id, number, sealed) VALUES ($1, $2, $3, $4)",
        tenant_id,
        report_id,
        number,
        sealed,
    )


async def find_chunk(conn: Connection, tenant_id: UUID, report_id: ReportId, number: int) -> str | None:
    """A piece of the file, sealed."""
    sealed: str | None = await conn.fetchval(
        "SELECT sealed FROM policy.report_chunks WHERE tenant_id = $1 AND report_id = $2 AND number = $3",
        tenant_id,
        report_id,
        number,
    )
    return sealed


async def make_ready(
    conn: Connection,
    tenant_id: UUID,
    report_id: ReportId,
    *,
    now: dt.datetime,
    expires_at: dt.datetime,
    token_digest: bytes | None,
    downloads: int | None,
) -> bool:
    """``running → ready``. The cursor names an account: with the last page it goes."""
    status = await conn.execute(
        """
        UPDATE policy.reports
           SET state = 'ready', ready_at = $3, expires_at = $4, token_digest = $5, downloads_left = $6, cursor = ''
         WHERE tenant_id = $1 AND report_id = $2 AND state = 'running'
        """,
        tenant_id,
        report_id,
        now,
        expires_at,
        token_digest,
        downloads,
    )
    return status == "UPDATE 1"


async def count_download(conn: Connection, tenant_id: UUID, report_id: ReportId) -> bool:
    """Use the mailed link once; False: it was used up."""
    status = await conn.execute(
        """
        UPDATE policy.reports SET downloads_left = downloads_left - 1
         WHERE tenant_id = $1 AND report_id = $2 AND state = 'ready' AND downloads_left > 0
        """,
        tenant_id,
        report_id,
    )
    return status == "UPDATE 1"


async def end_report(conn: Connection, tenant_id: UUID, report_id: ReportId, now: dt.datetime) -> bool:
    """``running | ready → expired``; False: it is not due, or was before."""
    status = await conn.execute(
        """
        UPDATE policy.reports SET state = 'expired', ended_at = $3, cursor = ''
         WHERE tenant_id = $1 AND report_id = $2 AND state <> 'expired' AND expires_at <= $3
        """,
        tenant_id,
        report_id,
        now,
    )
    return status == "UPDATE 1"


async def delete_chunks(conn: Connection, tenant_id: UUID, report_id: ReportId) -> None:
    """The content goes."""
    await conn.execute("DELETE FROM policy.report_chunks WHERE tenant_id = $1 AND report_id = $2", tenant_id, report_id)


def _report(row: Record) -> Report:
    return Report(
        report_id=ReportId(row["report_id"]),
        state=ReportState(row["state"]),
        role=Role(row["role"]) if row["role"] is not None else None,
        enforcement_state=EnforcementState(row["enforcement_state"]) if row["enforcement_state"] is not None else None,
        **{name: row[name] for name in _SAME},
    )


_SAME = (
    "mail_to", "next_page", "cursor", "accounts_total", "accounts_done", "accounts_written", "chunks", "size_bytes",
    "token_digest", "downloads_left", "requested_at", "ready_at", "expires_at",
)  # fmt: skip
