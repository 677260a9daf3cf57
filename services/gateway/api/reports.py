"""Reports: ask for one, look how far it is, take it away."""

from services.gateway.api.bodies import ReportBody
from services.gateway.api.call import Call, Nothing, Outcome
from services.gateway.downloads import Streamed, Wanted
from services.gateway.problems import of_refusal
from shared.contracts.commands import ReadReport, StartReport
from shared.contracts.types import ReportId


async def start(call: Call[ReportBody, Nothing]) -> Outcome:
    """Who uses a second factor, as CSV (RFC 4180). It is written in the background; an admin may be mailed a link."""
    body = call.body
    command = StartReport(role=body.role, state=body.state, mail_to=body.mail_to_account, acting=body.acting())
    return await call.ask(command, actor=body.actor)


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """State and progress."""
    return await call.ask(ReadReport(report_id=ReportId(call.id("report_id"))))


async def download(call: Call[Nothing, Nothing]) -> Outcome | Streamed:
    """The file, for 24 hours from when it was ready; with an API key as often as you like."""
    report_id, actor = ReportId(call.id("report_id")), call.caller.actor
    wanted = Wanted(tenant_id=call.tenant_id, report_id=report_id, actor=actor, is_look=call.is_head)
    opened = await call.deps.downloads.open(wanted, call.deadline)
    return opened if isinstance(opened, Streamed) else of_refusal(opened)
