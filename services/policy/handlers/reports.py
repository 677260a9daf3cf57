"""Reports: asked for, looked at, downloaded, over. The file is written in `report_pages`."""

from services.policy.announcements import SOURCE, report_view
from services.policy.deps import Deps
from services.policy.domain.report import (
    MOST_ALIVE,
    REMEMBERED_FOR,
    Report,
    expiry_timer,
    may_not_be_mailed,
    new_report,
    refusal_of,
)
from services.policy.handlers.acting import may_not_act_at_large
from services.policy.queries.clocks import hold_clock
from services.policy.queries.reports import (
    count_alive,
    count_download,
    delete_chunks,
    end_report,
    find_chunk,
    find_report,
    forget_reports,
    insert_report,
)
from services.policy.queries.standings import read_standing
from services.policy.queries.timers import arm_timers
from shared.contracts import events
from shared.contracts.commands import (
    ExpireReport,
    OpenReport,
    ReadReport,
    ReadReportChunk,
    StartReport,
    WriteReportPage,
)
from shared.contracts.envelope import Envelope
from shared.contracts.replies import OpenedReport, RefusalCode, ReportChunk
from shared.contracts.types import ReportId
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_LOOK_AGAIN = 5  # seconds


async def start_report(message: Envelope[StartReport], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Begin a report; it is written page by page by commands that policy gives itself."""
    wanted, tenant_id = message.data, message.tenant_id
    now = await hold_clock(uow.conn, tenant_id)
    if (refused := await may_not_act_at_large(uow, message, wanted.acting, now)) is not None:
        return refused
    if wanted.mail_to is not None and (code := await _may_not_be_mailed(message, uow, wanted.mail_to)):
        return refuse(code)
    await forget_reports(uow.conn, tenant_id, ended_before=now - REMEMBERED_FOR)
    if await count_alive(uow.conn, tenant_id, now) >= MOST_ALIVE:
        return refuse(RefusalCode.TOO_MANY_REPORTS)
    report = new_report(
        ReportId(deps.new_id()), role=wanted.role, enforcement_state=wanted.state, mail_to=wanted.mail_to, now=now
    )
    await insert_report(uow.conn, tenant_id, report)
    await arm_timers(uow.conn, message, [expiry_timer(report.report_id, report.expires_at)])
    requested = events.ReportRequested(
        report_id=report.report_id, role=wanted.role, state=wanted.state, mail_to=wanted.mail_to
    )
    first = WriteReportPage(report_id=report.report_id, page=0)
    uow.publish(*(message.follow(each, source=SOURCE, at=now) for each in (requested, first)))
    return Ok(report_view(report))


async def _may_not_be_mailed(message: Envelope[StartReport], uow: UnitOfWork, mail_to: str) -> RefusalCode | None:
    standing = await read_standing(uow.conn, message.tenant_id, mail_to)
    return may_not_be_mailed(standing.account if standing is not None else None)


async def read_report(message: Envelope[ReadReport], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """State and progress."""
    report = await find_report(uow.conn, message.tenant_id, message.data.report_id)
    return Ok(report_view(report)) if report is not None else refuse(RefusalCode.REPORT_NOT_FOUND)


async def open_report(message: Envelope[OpenReport], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A download begins. The link is good for three of them; who has an API key asks as often as it likes."""
    token, tenant_id = message.data.token, message.tenant_id
    now = await tenant_now(uow.conn, tenant_id)
    report = await find_report(uow.conn, tenant_id, message.data.report_id)
    if report is None or (token is not None and not _is_genuine(deps, message, report, token)):
        return refuse(RefusalCode.REPORT_NOT_FOUND)
    if (code := refusal_of(report, now)) is not None:
        return _refused(code)
    if not message.data.is_look:
        if token is not None and not await count_download(uow.conn, tenant_id, report.report_id):
            return refuse(RefusalCode.REPORT_USED_UP)
        said = events.ReportDownloaded(report_id=report.report_id, is_by_link=token is not None)
        uow.publish(message.follow(said, source=SOURCE, at=now))
    return Ok(OpenedReport(file_name=report.file_name, chunks=report.chunks, size_bytes=report.size_bytes))


def _is_genuine(deps: Deps, message: Envelope[OpenReport], report: Report, token: str) -> bool:
    return deps.report_files.is_genuine(message.tenant_id, report.report_id, token, report.token_digest)


async def read_report_chunk(message: Envelope[ReadReportChunk], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """A piece of the file, as it rests."""
    wanted, tenant_id = message.data, message.tenant_id
    report = await find_report(uow.conn, tenant_id, wanted.report_id)
    if (code := refusal_of(report, await tenant_now(uow.conn, tenant_id))) is not None:
        return _refused(code)
    sealed = await find_chunk(uow.conn, tenant_id, wanted.report_id, wanted.number)
    return Ok(ReportChunk(sealed=sealed)) if sealed is not None else refuse(RefusalCode.REPORT_NOT_FOUND)


async def expire_report(message: Envelope[ExpireReport], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Its time is over: the content goes, written to the end or not."""
    tenant_id, report_id = message.tenant_id, message.data.report_id
    now = await hold_clock(uow.conn, tenant_id)
    if await end_report(uow.conn, tenant_id, report_id, now):
        await delete_chunks(uow.conn, tenant_id, report_id)
        uow.publish(message.follow(events.ReportExpired(report_id=report_id), source=SOURCE, at=now))
    return Done()


def _refused(code: RefusalCode) -> Outcome:
    return refuse(code, retry_after_seconds=_LOOK_AGAIN if code is RefusalCode.REPORT_NOT_READY else None)
