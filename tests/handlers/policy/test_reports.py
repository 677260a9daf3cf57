"""Reports on a real database: written page by page, had for a day, three times by the mailed link."""

import csv
import dataclasses
import io
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.policy.domain.report import MOST_ALIVE
from services.policy.handlers.report_pages import PAGE
from shared.contracts import commands, events
from shared.contracts.commands import (
    ExpireReport,
    OpenReport,
    ReadReport,
    ReadReportChunk,
    StartReport,
    WriteReportPage,
)
from shared.contracts.replies import OpenedReport, RefusalCode, ReportView
from shared.contracts.types import EnforcementState, FactorType, ReportId, ReportState, Role
from shared.crypto.keyring import KeyRing, load_ring
from shared.crypto.sealing import BrokenSeal, open_bytes, report_chunk_place, seal, secret_param_place, typed_place
from shared.ids import new_id
from shared.messaging.bus import Ack, Retry
from shared.messaging.topology import POLICY_COMMANDS
from shared.secret import Secret
from tests.handlers.policy.conftest import ANN, DAY, OpenService, Service, contact
from tests.support.sealed_text import SEALED_TEXT
from tests.support.tenants import new_tenant

ROOT = "root"


@pytest.fixture
def files(key_dir: Path) -> KeyRing:
    """The ring of content and of tokens."""
    return load_ring(key_dir, "seal.policy")


async def start(service: Service, **wanted: Any) -> ReportView:
    """Ask for a report."""
    return ReportView.model_validate(await service.ask(StartReport(**wanted), None))


async def view(service: Service, report: ReportView) -> ReportView:
    """How far it is."""
    return ReportView.model_validate(await service.ask(ReadReport(report_id=report.id), None))


async def content(service: Service, report: ReportView, files: KeyRing) -> str:
    """The file, as the gateway puts it together."""
    opened = OpenedReport.model_validate(await service.ask(OpenReport(report_id=report.id), None))
    pieces = b""
    for number in range(opened.chunks):
        answer = await service.ask(ReadReportChunk(report_id=report.id, number=number), None)
        pieces += zlib.decompress(
            open_bytes(files, answer["sealed"], report_chunk_place(service.tenant_id, report.id, number))
        )
    assert len(pieces) == opened.size_bytes
    return pieces.decode()


async def rows(service: Service, report: ReportView, files: KeyRing) -> list[dict[str, str]]:
    """The lines of the file."""
    return list(csv.DictReader(io.StringIO(await content(service, report, files), newline=""), strict=True))


async def accounts(service: Service, count: int) -> None:
    """Many agents."""
    await service.admin.execute(
        """
        INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
        SELECT $1, 'agent-' || lpad(n::text, 7, '0'), 'agent', now() FROM generate_series(1, $2) AS n
        """,
        service.tenant_id,
        count,
    )


async def put_admin(service: Service, **given: Any) -> None:
    """An admin with a mailbox."""
    await service.put(ROOT, role="admin", email=contact("root-mail"), **given)


async def token(service: Service, files: KeyRing, key_dir: Path, report: ReportView) -> str:
    """The mailed link's token, sealed as the page seals what was in its address."""
    [mail] = [each for each in await service.said(commands.SendEmail) if each.data.notification == "report_ready"]
    assert mail.data.secrets is not None
    place = secret_param_place(service.tenant_id, ROOT, mail.data.delivery_id)
    link = json.loads(open_bytes(load_ring(key_dir, "seal.notifier"), mail.data.secrets, place))["download_url"]
    found = {name: value for name, [value] in parse_qs(urlsplit(link).query).items()}
    assert (found["tenant"], found["report"]) == (str(service.tenant_id), str(report.id))
    return sealed(service, files, report, found["token"])


def sealed(service: Service, files: KeyRing, report: ReportView, text: str) -> str:
    """What was typed, for policy."""
    return seal(files, Secret(text), typed_place(service.tenant_id, str(report.id), "token"))


async def test_a_report_lists_every_account_as_it_stands(service: Service, files: KeyRing) -> None:
    """Ids, roles, states and factors, in the order of the ids."""
    await service.require()
    await service.put()
    await service.put("ben")
    await service.enrol(ANN)
    await service.enrol(ANN, FactorType.SMS, phone="ann-phone")
    report = await start(service)
    assert (report.state, report.progress.total) == (ReportState.RUNNING, None)
    await service.run()
    assert (await view(service, report)).state is ReportState.READY

    listed = await rows(service, report, files)
    assert [(row["account_id"], row["enforcement"], row["uses_2fa"]) for row in listed] == [
        ("ann", "satisfied", "yes"),
        ("ben", "grace", "no"),
    ]
    assert (listed[0]["factor_types"], listed[0]["active_factors"], listed[0]["deadline"]) == ("sms totp", "2", "")
    assert listed[1]["deadline"] != ""


async def test_the_list_agrees_with_the_accounts_own_pages(service: Service, files: KeyRing) -> None:
    """Two ways to the same question must give one answer."""
    await service.require()
    await service.put()
    await service.put("sam", sso=True)
    await service.put("ina", active=False)
    await service.put("cat", role="customer")
    await service.enrol("cat")
    await service.suspend_factors("cat")
    report = await start(service)
    await service.run()
    for row in await rows(service, report, files):
        account = await service.ask(commands.ReadAccount(), row["account_id"])
        assert row["enforcement"] == account["enforcement"]["state"]
        assert row["role"] == account["role"]


async def test_the_list_knows_who_is_back(service: Service, files: KeyRing) -> None:
    """Who was away has a day, or a new start: to be listed as locked out sends an admin after them for nothing."""
    await service.require()
    for account_id in ("ann", "ben", "eve"):
        await service.put(account_id)
    await service.ask(commands.ChangeEnforcement(given=("required",), required=True, reason="payroll"), "eve")
    await service.move(3 * DAY)
    for account_id in ("ann", "ben"):
        await service.change(account_id, active=False)
    await service.move(7 * DAY)
    await service.change("ben", active=True)
    report = await start(service)
    await service.run()
    listed = {row["account_id"]: row["enforcement"] for row in await rows(service, report, files)}
    assert listed == {"ann": "not_required", "ben": "grace", "eve": "locked_out"}
    await service.move(30 * DAY)
    await service.change("ann", active=True)
    report = await start(service)
    await service.run()
    listed = {row["account_id"]: row["enforcement"] for row in await rows(service, report, files)}
    assert listed == {"ann": "grace", "ben": "locked_out", "eve": "locked_out"}


async def test_role_and_state_are_filters(service: Service, files: KeyRing) -> None:
    """The list of admins without a factor is the one that is asked for first."""
    await service.require()
    await service.put()
    await put_admin(service)
    await service.put("eva", role="admin")
    await service.enrol("eva")
    report = await start(service, role=Role.ADMIN, state=EnforcementState.GRACE)
    await service.run()
    assert [row["account_id"] for row in await rows(service, report, files)] == [ROOT]
    after = await view(service, report)
    assert (after.accounts, after.progress.done, after.progress.total) == (1, 3, 3)


async def test_a_tenant_without_accounts_gets_the_header(service: Service, files: KeyRing) -> None:
    """An empty list is a list."""
    report = await start(service)
    await service.run()
    assert (await content(service, report, files)).startswith("account_id,role,")
    assert await rows(service, report, files) == []


async def test_it_is_written_page_by_page_with_progress(service: Service, files: KeyRing) -> None:
    """Nobody's list is too long for a transaction, and everybody sees how far it is."""
    await accounts(service, 2 * PAGE + 1)
    report = await start(service)
    [first] = await service.said(WriteReportPage)
    assert await service.hand(POLICY_COMMANDS, first) == Ack()
    half = await view(service, report)
    assert (half.state, half.progress.done, half.progress.total) == (ReportState.RUNNING, PAGE, 2 * PAGE + 1)
    assert await service.refused(OpenReport(report_id=report.id), None) is RefusalCode.REPORT_NOT_READY

    await service.run()
    ids = [row["account_id"] for row in await rows(service, report, files)]
    assert ids == [f"agent-{number:07}" for number in range(1, 2 * PAGE + 2)]
    [ready] = await service.said(events.ReportReady)
    assert (ready.data.report_id, ready.data.accounts) == (report.id, 2 * PAGE + 1)


async def test_a_full_last_page_is_followed_by_an_empty_one(service: Service, files: KeyRing) -> None:
    """Exactly as many accounts as pages hold: the end is found, and is no line."""
    await accounts(service, PAGE)
    report = await start(service)
    await service.run()
    assert len(await rows(service, report, files)) == PAGE


async def test_a_page_that_comes_twice_is_written_once(service: Service, files: KeyRing) -> None:
    """A worker dies after its commit and before its acknowledgement; or a replay sends the command anew."""
    await accounts(service, PAGE + 5)
    report = await start(service)
    [first] = await service.said(WriteReportPage)
    for envelope in (first, first, dataclasses.replace(first, id=new_id())):
        assert await service.hand(POLICY_COMMANDS, envelope) == Ack()
    assert (await view(service, report)).progress.done == PAGE
    await service.run()
    assert len(await rows(service, report, files)) == PAGE + 5


async def test_a_page_that_fails_leaves_nothing_and_comes_again(service: Service, files: KeyRing) -> None:
    """A crash in the middle of a page: no half page, no lost one, and the report goes on where it was."""
    await accounts(service, PAGE + 5)
    report = await start(service)
    [first] = await service.said(WriteReportPage)
    assert await service.hand(POLICY_COMMANDS, first) == Ack()
    before = await view(service, report)
    in_the_way = (service.tenant_id, report.id)
    await service.admin.execute("INSERT INTO policy.report_chunks VALUES ($1, $2, 1, 'x')", *in_the_way)
    second = (await service.said(WriteReportPage))[-1]
    assert isinstance(await service.hand(POLICY_COMMANDS, second), Retry)
    assert await view(service, report) == before

    await service.admin.execute(
        "DELETE FROM policy.report_chunks WHERE tenant_id = $1 AND report_id = $2 AND number = 1", *in_the_way
    )
    assert await service.hand(POLICY_COMMANDS, second) == Ack()
    assert len(await rows(service, report, files)) == PAGE + 5


async def test_content_rests_sealed_and_bound_to_its_place(service: Service, files: KeyRing) -> None:
    """A copy of the database must not tell who has no second factor; nor may a piece be put into another's list."""
    await service.put()
    report = await start(service)
    await service.run()
    resting = await service.admin.fetchval("SELECT sealed FROM policy.report_chunks WHERE report_id = $1", report.id)
    assert SEALED_TEXT.fullmatch(resting)
    place = report_chunk_place(service.tenant_id, report.id, 0)
    assert b"ann" in zlib.decompress(open_bytes(files, resting, place))
    with pytest.raises(BrokenSeal):
        open_bytes(files, resting, report_chunk_place(service.tenant_id, report.id, 1))


async def test_the_link_is_good_three_times(service: Service, files: KeyRing, key_dir: Path) -> None:
    """A link that leaks later is worth nothing; the API key still gets the list."""
    await put_admin(service)
    report = await start(service, mail_to=ROOT)
    await service.run()
    by_link = OpenReport(report_id=report.id, token=await token(service, files, key_dir, report))
    assert (await view(service, report)).downloads_left == 3
    for _ in range(3):
        await service.ask(by_link, None)
    assert await service.refused(by_link, None) is RefusalCode.REPORT_USED_UP
    assert (await view(service, report)).downloads_left == 0
    await service.ask(OpenReport(report_id=report.id), None)
    said = await service.said(events.ReportDownloaded)
    assert [each.data.is_by_link for each in said] == [True, True, True, False]


async def test_a_look_counts_nothing(service: Service, files: KeyRing, key_dir: Path) -> None:
    """Who asks for the head of the answer has not had the list."""
    await put_admin(service)
    report = await start(service, mail_to=ROOT)
    await service.run()
    by_link = OpenReport(report_id=report.id, token=await token(service, files, key_dir, report), is_look=True)
    assert OpenedReport.model_validate(await service.ask(by_link, None)).chunks == 1
    assert (await view(service, report)).downloads_left == 3
    assert await service.said(events.ReportDownloaded) == []


async def test_a_forged_token_opens_nothing(service: Service, files: KeyRing, key_dir: Path) -> None:
    """Guessed, of another report, not sealed by the gateway: all look like a report that is not there."""
    await put_admin(service)
    report, unmailed = await start(service, mail_to=ROOT), await start(service)
    await service.run()
    genuine = await token(service, files, key_dir, report)
    for of, forged in (
        (report, sealed(service, files, report, "A" * 43)),
        (report, "v1.k1.c2VhbGVk"),
        (unmailed, genuine),
        (unmailed, sealed(service, files, unmailed, "")),
    ):
        command = OpenReport(report_id=of.id, token=forged)
        assert await service.refused(command, None) is RefusalCode.REPORT_NOT_FOUND
    assert (await view(service, report)).downloads_left == 3


async def test_no_token_is_kept_or_said_in_clear(service: Service, files: KeyRing, key_dir: Path) -> None:
    """What is in a queue, a dead letter or a backup must not be a way to the list."""
    await put_admin(service)
    report = await start(service, mail_to=ROOT)
    await service.run()
    [mail] = [each for each in await service.said(commands.SendEmail) if each.data.notification == "report_ready"]
    assert mail.account_id == ROOT
    assert mail.data.params.keys() == {"tenant_name", "tenant_colour", "expires_at", "downloads"}
    kept = await service.admin.fetchval("SELECT token_digest FROM policy.reports WHERE report_id = $1", report.id)
    assert len(kept) == 32


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"role": "agent"}, RefusalCode.RECIPIENT_NOT_AN_ADMIN),
        ({"role": "admin", "email_verified": False}, RefusalCode.NO_MAILBOX),
        ({"role": "admin", "active": False}, RefusalCode.ACCOUNT_INACTIVE),
    ],
)
async def test_only_an_admin_with_a_mailbox_is_mailed(
    service: Service, given: dict[str, object], code: RefusalCode
) -> None:
    """Said at once, not after the work: whoever asked hears that nobody will get a link."""
    await service.put(ROOT, **given)
    assert await service.refused(StartReport(mail_to=ROOT), None) is code
    assert await service.refused(StartReport(mail_to="nobody"), None) is RefusalCode.ACCOUNT_NOT_FOUND
    assert await service.said(events.ReportRequested) == []


async def test_who_is_no_admin_any_more_gets_no_link(service: Service) -> None:
    """Between asking and the end of the work there is time to lose a role."""
    await put_admin(service)
    report = await start(service, mail_to=ROOT)
    await service.change(ROOT, role="agent")
    await service.run()
    after = await view(service, report)
    assert (after.state, after.downloads_left) == (ReportState.READY, None)
    assert "report_ready" not in {name for name, _ in await service.notices()}


async def test_after_a_day_the_content_is_gone(service: Service) -> None:
    """From when it was ready; a moment before, it is still there."""
    await service.put()
    report = await start(service)
    await service.run()
    await service.move(DAY - 60)
    await service.ask(OpenReport(report_id=report.id), None)
    await service.move(60)
    assert await service.refused(OpenReport(report_id=report.id), None) is RefusalCode.REPORT_EXPIRED
    read = ReadReportChunk(report_id=report.id, number=0)
    assert await service.refused(read, None) is RefusalCode.REPORT_EXPIRED
    assert (await view(service, report)).state is ReportState.EXPIRED
    assert (
        await service.admin.fetchval("SELECT count(*) FROM policy.report_chunks WHERE report_id = $1", report.id) == 0
    )
    assert [each.data.report_id for each in await service.said(events.ReportExpired)] == [report.id]


async def test_an_expiry_that_comes_early_or_twice_does_nothing(service: Service) -> None:
    """The handler looks at the moment, not at the timer."""
    report = await start(service)
    await service.hear(ExpireReport(report_id=report.id), None)
    assert (await view(service, report)).state is ReportState.RUNNING
    await service.run()
    await service.move(DAY)
    await service.hear(ExpireReport(report_id=report.id), None)
    assert len(await service.said(events.ReportExpired)) == 1


async def test_a_report_that_never_ends_expires_all_the_same(service: Service) -> None:
    """Its next page lies among the dead letters: nothing rests here for ever, and a late page writes nothing."""
    await accounts(service, PAGE + 1)
    report = await start(service)
    [first] = await service.said(WriteReportPage)
    await service.hand(POLICY_COMMANDS, first)
    await service.admin.execute("UPDATE bus.outbox SET published_at = now() WHERE tenant_id = $1", service.tenant_id)
    await service.move(DAY)
    assert (await view(service, report)).state is ReportState.EXPIRED
    await service.hear(WriteReportPage(report_id=report.id, page=1), None)
    assert (
        await service.admin.fetchval("SELECT count(*) FROM policy.report_chunks WHERE report_id = $1", report.id) == 0
    )


async def test_a_tenant_has_ten_at_most(service: Service) -> None:
    """A loop in somebody's script must not fill the disk."""
    for _ in range(MOST_ALIVE):
        await start(service)
    assert await service.refused(StartReport(), None) is RefusalCode.TOO_MANY_REPORTS
    await service.run()
    await service.move(DAY)
    await start(service)


async def test_old_reports_are_forgotten(service: Service) -> None:
    """That there was one is remembered for thirty days here, and for ever in the audit log."""
    old = await start(service)
    await service.run()
    await service.move(DAY)
    await service.move(31 * DAY)
    await start(service)
    assert await service.refused(ReadReport(report_id=old.id), None) is RefusalCode.REPORT_NOT_FOUND


async def test_another_tenants_report_is_not_found(open_service: OpenService, service: Service, dsn: str) -> None:
    """An id is no key."""
    report = await start(service)
    await service.run()
    stranger = open_service(await new_tenant(dsn))
    for command in (
        ReadReport(report_id=report.id),
        OpenReport(report_id=report.id),
        ReadReportChunk(report_id=report.id, number=0),
    ):
        assert await stranger.refused(command, None) is RefusalCode.REPORT_NOT_FOUND
    assert await stranger.refused(ReadReport(report_id=ReportId(new_id())), None) is RefusalCode.REPORT_NOT_FOUND
