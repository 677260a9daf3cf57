"""The page behind the mailed link to a report. GET shows, POST sends the file.

GET asks nobody and counts nothing: scanners of mail open links, and would use up a link that is good three times. The
token is checked by policy, and an invalid one looks the same as one of another tenant.
"""

from aiohttp import hdrs, web

from services.gateway.downloads import Downloads, Streamed, Wanted
from services.gateway.middleware import DEADLINE
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.languages import preferred_language
from services.gateway.prompt.links import Link, read_link
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from shared.contracts.replies import RefusalCode
from shared.contracts.types import SYSTEM, ReportId
from shared.messaging.bus import NoReply, Unavailable

PATH = "/reports/download"


class ReportDownloadPage:
    """Both halves of the page."""

    def __init__(self, pages: Pages, downloads: Downloads, public_url: str) -> None:
        self._pages = pages
        self._downloads = downloads
        self._action = f"{public_url}{PATH}"

    async def show(self, request: web.Request) -> web.Response:
        """A button."""
        language = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        link = read_link(request.query.get("tenant"), request.query.get("report"), request.query.get("token"))
        if link is None:
            return self._pages.say(Message.LINK_INVALID, language)
        values = {
            "action": self._action,
            "tenant": link.tenant_id,
            "report": link.subject,
            "token": link.token.reveal(),
        }
        return self._pages.form("report_download.html", values, language)

    async def act(self, request: web.Request) -> web.Response:
        """The button was pressed."""
        language = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        form = await read_form(request) or {}
        link = read_link(form.get("tenant"), form.get("report"), form.get("token"))
        if link is None:
            return self._pages.say(Message.LINK_INVALID, language)
        try:
            opened = await self._downloads.open(self._wanted(link), request[DEADLINE])
        except (NoReply, Unavailable):
            return self._pages.say(Message.NOT_DONE, language)
        return opened.response() if isinstance(opened, Streamed) else self._pages.say(_refused(opened.code), language)

    def _wanted(self, link: Link) -> Wanted:
        token = link.sealed(self._downloads.contents)
        return Wanted(tenant_id=link.tenant_id, report_id=ReportId(link.subject), actor=SYSTEM, token=token)


def _refused(code: RefusalCode) -> Message:
    match code:
        case RefusalCode.REPORT_EXPIRED:
            return Message.REPORT_EXPIRED
        case RefusalCode.REPORT_USED_UP:
            return Message.REPORT_USED_UP
        case RefusalCode.UNAVAILABLE | RefusalCode.KEY_MISSING | RefusalCode.INTERNAL_ERROR:
            return Message.NOT_DONE
        case _:
            return Message.LINK_INVALID
