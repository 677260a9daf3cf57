"""The door to the hosted pages: a one-time address becomes a session under a cookie, and each request is its own.

Opening is a compare-and-set, so an address that leaked after use opens nothing. Where the answer with the cookie was
lost the address is used up, and the page says the way back: the helpdesk makes another one.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from aiohttp import hdrs, web

from services.gateway.prompt.addresses import way_back
from services.gateway.prompt.browser import Browser, comes_from_here, new_nonce
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.kinds import PromptKind
from services.gateway.prompt.languages import preferred_language
from services.gateway.prompt.links import Link, read_link
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.queries.prompt_sessions import OpenSession, find_by_token, find_session, open_session
from services.gateway.replies import Dependencies
from shared.crypto.digests import token_digest
from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database
from shared.messaging.bus import NoReply, Unavailable

PATH_OPEN = "/prompt/open"
PATH = "/prompt/{session_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of the browser that a session belongs to."""

    request: web.Request
    browser: Browser
    session: OpenSession
    language: str
    action: str  # the page's own address

    def form_values(self) -> dict[str, object]:
        """What every form of the session's pages holds, and the heading over it."""
        return {
            "tenant_name": self.session.tenant_name,
            "action": self.action,
            "form_token": self.browser.form_token(),
            "nonce": new_nonce(),
            "cancel": way_back(self.session, error="cancelled"),
        }

    def leave(self, **said: str) -> web.Response:
        """Back to the helpdesk."""
        return see_other(way_back(self.session, **said))


class HostedPage(Protocol):
    """The pages of one kind."""

    async def show(self, visit: Visit) -> web.Response:
        """What there is to do."""
        ...

    async def act(self, visit: Visit, form: Mapping[str, str]) -> web.Response:
        """A form of this session was sent."""
        ...


class HostedPages:
    """Opens sessions and hands each request to the page of its kind."""

    def __init__(
        self,
        pages: Pages,
        database: Database,
        health: Dependencies,
        kinds: Mapping[PromptKind, HostedPage],
        public_url: str,
    ) -> None:
        self._pages = pages
        self._database = database
        self._health = health
        self._kinds = kinds
        self._public_url = public_url
        self._is_secure = public_url.startswith("https://")

    async def open(self, request: web.Request) -> web.Response:
        """The address for a cookie, once. Who has the cookie already is let in again."""
        language = _language(request)
        if request.method == hdrs.METH_HEAD:
            return web.Response()  # whoever only looks must not use it up
        link = read_link(request.query.get("tenant"), request.query.get("session"), request.query.get("token"))
        if link is None:
            return self._pages.say(Message.LINK_INVALID, language)
        try:
            return await self._opened(request, link, language)
        except (Unavailable, StoreUnavailable):
            return self._pages.say(Message.NOT_NOW, language)

    async def show(self, request: web.Request) -> web.Response:
        """The page of the session."""
        try:
            visit = await self._visit(request)
            if visit is None:
                return self._pages.say(Message.PROMPT_OVER, _language(request))
            return await self._kinds[PromptKind(visit.session.kind)].show(visit)
        except (NoReply, Unavailable, StoreUnavailable):
            return self._pages.say(Message.NOT_NOW, _language(request))

    async def act(self, request: web.Request) -> web.Response:
        """A form, if it is one of this session's own pages."""
        try:
            visit = await self._visit(request)
            if visit is None:
                return self._pages.say(Message.PROMPT_OVER, _language(request))
            form = await read_form(request) or {}
            if not comes_from_here(request) or not visit.browser.is_own_form(form.get("form_token")):
                return self._pages.say(Message.FORM_REFUSED, visit.language)
            return await self._kinds[PromptKind(visit.session.kind)].act(visit, form)
        except (NoReply, Unavailable, StoreUnavailable):
            return self._pages.say(Message.NOT_DONE, _language(request))

    async def _opened(self, request: web.Request, link: Link, language: str) -> web.Response:
        page = f"{self._public_url}{PATH.format(session_id=link.subject)}"
        digest = token_digest(link.token.reveal())
        async with self._transaction_of(link.tenant_id) as conn:
            before = Browser.of(request, link.subject, is_secure=self._is_secure)
            if before is not None and await _session_of(conn, before) is not None:
                return see_other(page)
            browser = Browser.new(link.tenant_id, link.subject)
            is_open = await open_session(
                conn, link.tenant_id, link.subject, token_digest=digest, cookie_digest=browser.digest
            )
            known = None if is_open else await find_by_token(conn, link.tenant_id, link.subject, digest)
        if is_open:
            response = see_other(page)
            browser.keep(response, is_secure=self._is_secure)
            return response
        if known is None:
            return self._pages.say(Message.LINK_INVALID, language)
        return self._pages.say(Message.PROMPT_LINK_OVER, language, back=way_back(known, error="expired"))

    async def _visit(self, request: web.Request) -> Visit | None:
        """None: no cookie of this session, or its time is over."""
        try:
            session_id = UUID(request.match_info["session_id"])
        except ValueError:
            return None
        browser = Browser.of(request, session_id, is_secure=self._is_secure)
        if browser is None:
            return None
        async with self._transaction_of(browser.tenant_id) as conn:
            session = await _session_of(conn, browser)
        if session is None:
            return None
        return Visit(
            request=request,
            browser=browser,
            session=session,
            language=_language(request),
            action=f"{self._public_url}{PATH.format(session_id=session_id)}",
        )

    def _transaction_of(self, tenant_id: UUID) -> contextlib.AbstractAsyncContextManager[Connection]:
        if not self._health.is_database_up:
            raise Unavailable("the database is known to be down")
        return self._database.transaction([tenant_id])


def see_other(location: str) -> web.Response:
    """A page is asked for anew, not sent to again (RFC 9110, 15.4.4)."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


async def _session_of(conn: Connection, browser: Browser) -> OpenSession | None:
    return await find_session(conn, browser.tenant_id, browser.session_id, browser.digest)


def _language(request: web.Request) -> str:
    return preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
