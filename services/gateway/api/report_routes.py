"""The calls about reports."""

from services.gateway.api import bodies, reports
from services.gateway.api.auth import KeyScope
from services.gateway.api.refusals import AT_LARGE
from services.gateway.api.route import ProvenBy, Route
from services.gateway.downloads import CSV
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_REPORT = "/v1/reports/{report_id}"

REPORT_ROUTES = (
    Route(
        method="POST",
        path="/v1/reports",
        allows=(KeyScope.REPORTS,),
        handler=reports.start,
        summary="Ask for the list of who uses a second factor",
        body=bodies.ReportBody,
        answer=replies.ReportView,
        status=202,
        is_idempotent=True,
        proven_by=ProvenBy.ACTOR,
        refusals=(
            RefusalCode.ACCOUNT_NOT_FOUND,
            RefusalCode.ACCOUNT_INACTIVE,
            RefusalCode.NO_MAILBOX,
            RefusalCode.RECIPIENT_NOT_AN_ADMIN,
            *AT_LARGE,
            RefusalCode.TOO_MANY_REPORTS,
        ),
    ),
    Route(
        method="GET",
        path=_REPORT,
        allows=(KeyScope.REPORTS,),
        handler=reports.get,
        summary="How far a report is",
        answer=replies.ReportView,
        refusals=(RefusalCode.REPORT_NOT_FOUND,),
    ),
    Route(
        method="GET",
        path=f"{_REPORT}/download",
        allows=(KeyScope.REPORTS,),
        handler=reports.download,
        summary="Download a report",
        answer=None,
        content_type=CSV,
        refusals=(RefusalCode.REPORT_NOT_FOUND, RefusalCode.REPORT_NOT_READY, RefusalCode.REPORT_EXPIRED),
    ),
)
