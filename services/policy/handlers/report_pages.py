"""Writes reports: a page of accounts a message, a chunk of the file a page.

A page, the cursor behind it and the command for the next one commit together: a crash repeats a page that nobody has.
"""

import datetime as dt
from dataclasses import dataclass

from services.policy.announcements import SOURCE, report_notices
from services.policy.deps import Deps
from services.policy.domain.report import (
    DOWNLOADS,
    LIFETIME,
    Accounts,
    Report,
    expiry_timer,
    header,
    lines,
    may_not_be_mailed,
)
from services.policy.domain.standing import Standing
from services.policy.queries.clocks import hold_clock
from services.policy.queries.policies import read_policy
from services.policy.queries.reports import count_accounts, insert_chunk, lock_page, make_ready, move_on
from services.policy.queries.standings import read_standing
from services.policy.queries.tenants import read_letterhead
from services.policy.queries.timers import arm_timers
from services.policy.queries.usage import accounts_after, read_granted, read_usage
from shared.contracts import events
from shared.contracts.commands import WriteReportPage
from shared.contracts.envelope import Envelope
from shared.contracts.types import DeliveryId
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork

PAGE = 2_000  # accounts a transaction: some hundred milliseconds, in which the process answers others, too


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What a page found."""

    lines: list[str]
    done: int
    cursor: str
    is_last: bool


async def write_report_page(message: Envelope[WriteReportPage], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Write the next page; behind the last one the report is ready."""
    tenant_id, wanted = message.tenant_id, message.data
    now = await hold_clock(uow.conn, tenant_id)
    report = await lock_page(uow.conn, tenant_id, wanted.report_id, wanted.page)
    if report is None or report.is_over(now):
        return Done()
    page = await _read_page(message, uow, report, now)
    written = await _store_page(message, uow, deps, report, page)
    if page.is_last:
        await _finish(message, uow, deps, report, written, now)
    else:
        rest = WriteReportPage(report_id=report.report_id, page=wanted.page + 1)
        uow.publish(message.follow(rest, source=SOURCE, at=now))
    return Done()


async def _read_page(message: Envelope[WriteReportPage], uow: UnitOfWork, report: Report, now: dt.datetime) -> _Page:
    tenant_id = message.tenant_id
    known = await accounts_after(uow.conn, tenant_id, report.cursor, limit=PAGE)
    listed = [each for each in known if report.role in (None, each.role)]
    ids = [each.account_id for each in listed]
    accounts = Accounts(
        known=listed,
        granted=await read_granted(uow.conn, tenant_id, ids),
        usage=await read_usage(uow.conn, tenant_id, ids),
    )
    return _Page(
        lines=lines(accounts, await read_policy(uow.conn, tenant_id), report.enforcement_state, now),
        done=len(known),
        cursor=known[-1].account_id if known else report.cursor,
        is_last=len(known) < PAGE,
    )


async def _store_page(
    message: Envelope[WriteReportPage], uow: UnitOfWork, deps: Deps, report: Report, page: _Page
) -> int:
    """Returns how many accounts are in the report by now. A page without any leaves no chunk."""
    tenant_id, is_first = message.tenant_id, report.next_page == 0
    content = [header(), *page.lines] if is_first else page.lines
    size_bytes = 0
    if content:
        sealed, size_bytes = deps.report_files.chunk(tenant_id, report.report_id, report.chunks, content)
        await insert_chunk(uow.conn, tenant_id, report.report_id, report.chunks, sealed)
    total = await count_accounts(uow.conn, tenant_id) if is_first else report.accounts_total
    await move_on(
        uow.conn,
        tenant_id,
        report.report_id,
        cursor=page.cursor,
        total=total,
        done=page.done,
        written=len(page.lines),
        size_bytes=size_bytes,
    )
    return report.accounts_written + len(page.lines)


async def _finish(
    message: Envelope[WriteReportPage], uow: UnitOfWork, deps: Deps, report: Report, written: int, now: dt.datetime
) -> None:
    """``running → ready``. Who is no admin any more is not mailed; the API still has it."""
    expires_at = now + LIFETIME
    to = await read_standing(uow.conn, message.tenant_id, report.mail_to)
    link = None
    if to is not None and may_not_be_mailed(to.account) is None:
        link = deps.report_files.new_link(message.tenant_id, report.report_id)
        await _mail(message, uow, deps, to, link.url, expires_at, now)
    await make_ready(
        uow.conn,
        message.tenant_id,
        report.report_id,
        now=now,
        expires_at=expires_at,
        token_digest=link.digest if link is not None else None,
        downloads=DOWNLOADS if link is not None else None,
    )
    await arm_timers(uow.conn, message, [expiry_timer(report.report_id, expires_at)])
    ready = events.ReportReady(report_id=report.report_id, accounts=written, expires_at=expires_at)
    uow.publish(message.follow(ready, source=SOURCE, at=now))


async def _mail(
    message: Envelope[WriteReportPage],
    uow: UnitOfWork,
    deps: Deps,
    to: Standing,
    url: str,
    expires_at: dt.datetime,
    now: dt.datetime,
) -> None:
    letterhead = await read_letterhead(uow.conn, message.tenant_id)
    account = to.account

    def seal(delivery_id: DeliveryId, text: str) -> str:
        return deps.report_files.seal(message.tenant_id, account.account_id, delivery_id, text)

    mails = report_notices(
        account,
        {"expires_at": expires_at, "downloads": DOWNLOADS, "download_url": url},
        tenant_name=letterhead.name,
        tenant_colour=letterhead.colour,
        seal=seal,
        new_id=deps.new_id,
    )
    uow.publish(*(message.follow(each, source=SOURCE, at=now, account_id=account.account_id) for each in mails))
