"""The page behind "this was not me" in a security notice. GET shows what the notice was about, POST says it.

GET reads and changes nothing: mail scanners and previews open links. The token is checked by the notifier, which made
it, and an invalid one looks the same as one of another tenant. The page speaks the account's language.
"""

from aiohttp import hdrs, web

from services.gateway.middleware import DEADLINE
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.languages import page_language, preferred_language
from services.gateway.prompt.links import Link, read_link
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import DisputeNotice, ReadNotice
from shared.contracts.envelope import begin
from shared.contracts.replies import NoticeView, RefusalCode
from shared.contracts.types import SYSTEM, DeliveryId
from shared.crypto.keyring import KeyRing
from shared.messaging.bus import NoReply, Unavailable

PATH = "/not-me"


class NotMePage:
    """Both halves of the page."""

    def __init__(self, pages: Pages, asker: Asker, tokens: KeyRing, public_url: str) -> None:
        """``tokens``: the ring ``seal.notifier``."""
        self._pages = pages
        self._asker = asker
        self._tokens = tokens
        self._action = f"{public_url}{PATH}"

    async def show(self, request: web.Request) -> web.Response:
        """What happened, when, and a button."""
        browser = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        link = read_link(request.query.get("tenant"), request.query.get("notice"), request.query.get("token"))
        if link is None:
            return self._pages.say(Message.LINK_INVALID, browser)
        command = ReadNotice(delivery_id=DeliveryId(link.subject), token=link.sealed(self._tokens))
        found = await self._ask(link, command, request, outage=Message.NOT_NOW)
        if isinstance(found, Message):
            return self._pages.say(found, browser)
        values = {
            "action": self._action,
            "tenant": link.tenant_id,
            "notice": link.subject,
            "token": link.token.reveal(),
            "tenant_name": found.tenant_name,
            "subject": found.subject,
            "happened_at": found.happened_at,
            "is_disputed": found.disputed_at is not None,
        }
        return self._pages.form("not_me.html", values, page_language(found.language))

    async def act(self, request: web.Request) -> web.Response:
        """The button was pressed."""
        browser = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        form = await read_form(request) or {}
        link = read_link(form.get("tenant"), form.get("notice"), form.get("token"))
        if link is None:
            return self._pages.say(Message.LINK_INVALID, browser)
        command = DisputeNotice(delivery_id=DeliveryId(link.subject), token=link.sealed(self._tokens))
        found = await self._ask(link, command, request, outage=Message.NOT_DONE)
        if isinstance(found, Message):
            return self._pages.say(found, browser)
        return self._pages.say(Message.NOTICE_DISPUTED, page_language(found.language))

    async def _ask(
        self, link: Link, command: ReadNotice | DisputeNotice, request: web.Request, *, outage: Message
    ) -> NoticeView | Message:
        envelope = begin(
            command, tenant_id=link.tenant_id, account_id=None, actor=SYSTEM, source="/gateway", at=host_now()
        )
        try:
            answer = await self._asker.ask(envelope, until=request[DEADLINE])
        except (NoReply, Unavailable):
            return outage
        if answer.refusal is None:
            return NoticeView.model_validate(answer.data)
        match answer.refusal.code:
            case RefusalCode.NOTICE_EXPIRED:
                return Message.NOTICE_LINK_EXPIRED
            case RefusalCode.UNAVAILABLE | RefusalCode.KEY_MISSING | RefusalCode.INTERNAL_ERROR:
                return outage
            case _:
                return Message.LINK_INVALID
