"""The page behind the mailed link to a report. GET shows, POST sends the file.

GET asks nobody and counts nothing: scanners of mail open links, and would use up a link that is good three times. The
token is checked by policy, and an invalid one looks the same as one of another tenant.
"""

import re
from uuid import UUID

from aiohttp import web

from services.gateway.downloads import Downloads, Streamed, Wanted
from services.gateway.middleware import DEADLINE
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.rendering import Pages
from shared.contracts.replies import RefusalCode
from shared.contracts.types import SYSTEM, ReportId
from shared.crypto.sealing import seal, typed_place
from shared.messaging.bus import NoReply, Unavailable
from shared.secret import Secret

PATH = "/reports/download"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")

Link = tuple[UUID, ReportId, Secret[str]]


class ReportDownloadPage:
    """Both halves of the page."""

    def __init__(self, pages: Pages, downloads: Downloads, public_url: str) -> None:
        self._pages = pages
        self._downloads = downloads
        self._action = f"{public_url}{PATH}"

    async def show(self, request: web.Request) -> web.Response:
        """A button."""
        link = _link(request.query.get("tenant"), request.query.get("report"), request.query.get("token"))
        if link is None:
            return self._invalid()
        tenant_id, report_id, token = link
        values = {"action": self._action, "tenant": tenant_id, "report": report_id, "token": token.reveal()}
        return self._pages.response("report_download.html", values, has_form=True)

    async def act(self, request: web.Request) -> web.Response:
        """The button was pressed."""
        form = await read_form(request) or {}
        link = _link(form.get("tenant"), form.get("report"), form.get("token"))
        if link is None:
            return self._invalid()
        try:
            opened = await self._downloads.open(self._wanted(link), request[DEADLINE])
        except (NoReply, Unavailable):
            return self._not_now()
        return opened.response() if isinstance(opened, Streamed) else self._refused(opened.code)

    def _wanted(self, link: Link) -> Wanted:
        tenant_id, report_id, token = link
        sealed = seal(self._downloads.contents, token, typed_place(tenant_id, str(report_id), "token"))
        return Wanted(tenant_id=tenant_id, report_id=report_id, actor=SYSTEM, token=sealed)

    def _refused(self, code: RefusalCode) -> web.Response:
        match code:
            case RefusalCode.REPORT_EXPIRED:
                text = "A report can be downloaded for 24 hours. Ask your helpdesk for a new one."
                return self._say("The report has expired", text, status=410)
            case RefusalCode.REPORT_USED_UP:
                text = "The link worked three times. If it was not you each time, tell your helpdesk."
                return self._say("The link is used up", text, status=410)
            case RefusalCode.UNAVAILABLE | RefusalCode.KEY_MISSING | RefusalCode.INTERNAL_ERROR:
                return self._not_now()
            case _:
                return self._invalid()

    def _invalid(self) -> web.Response:
        return self._say("This link is not valid", "This link is not valid, or not any more.", status=404)

    def _not_now(self) -> web.Response:
        text = "We could not do it right now. Go back and press the button again in a minute."
        return self._say("Not done yet", text, status=503)

    def _say(self, title: str, text: str, *, status: int) -> web.Response:
        return self._pages.response("message.html", {"title": title, "text": text}, status=status)


def _link(tenant: object, report: object, token: object) -> Link | None:
    """What a link holds, if it has its form."""
    if not isinstance(tenant, str) or not isinstance(report, str) or not isinstance(token, str):
        return None
    try:
        ids = UUID(tenant), ReportId(UUID(report))
    except ValueError:
        return None
    return (*ids, Secret(token)) if _TOKEN.fullmatch(token) else None
