"""The page behind the link to cancel in the notices of a recovery. GET shows, POST acts.

GET asks nobody and does nothing: mail scanners and previews open links. The token is checked by policy, and an invalid
one looks the same as one of another tenant.
"""

from aiohttp import hdrs, web

from services.gateway.middleware import DEADLINE
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.languages import preferred_language
from services.gateway.prompt.links import Link, read_link
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import CancelRecovery
from shared.contracts.envelope import begin
from shared.contracts.replies import RefusalCode
from shared.contracts.types import SYSTEM, RecoveryId
from shared.crypto.keyring import KeyRing
from shared.messaging.answering import OpenedAnswer
from shared.messaging.bus import NoReply, Unavailable

PATH = "/recovery/cancel"


class RecoveryCancelPage:
    """Both halves of the page."""

    def __init__(self, pages: Pages, asker: Asker, tokens: KeyRing, public_url: str) -> None:
        """``tokens``: the ring ``seal.policy``."""
        self._pages = pages
        self._asker = asker
        self._tokens = tokens
        self._action = f"{public_url}{PATH}"

    async def show(self, request: web.Request) -> web.Response:
        """A question and two buttons."""
        language = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        link = read_link(request.query.get("tenant"), request.query.get("request"), request.query.get("token"))
        if link is None:
            return self._pages.say(Message.RECOVERY_LINK_INVALID, language)
        values = {
            "action": self._action,
            "tenant": link.tenant_id,
            "request": link.subject,
            "token": link.token.reveal(),
        }
        return self._pages.form("recovery_cancel.html", values, language)

    async def act(self, request: web.Request) -> web.Response:
        """A button was pressed."""
        language = preferred_language(request.headers.get(hdrs.ACCEPT_LANGUAGE))
        form = await read_form(request) or {}
        link = read_link(form.get("tenant"), form.get("request"), form.get("token"))
        if link is None:
            return self._pages.say(Message.RECOVERY_LINK_INVALID, language)
        is_attack = form.get("reason") == "attack"
        try:
            answer = await self._ask(link, request, is_attack=is_attack)
        except (NoReply, Unavailable):
            return self._pages.say(Message.NOT_DONE, language)
        return self._pages.say(_told(answer, is_attack=is_attack), language)

    async def _ask(self, link: Link, request: web.Request, *, is_attack: bool) -> OpenedAnswer:
        command = CancelRecovery(
            recovery_id=RecoveryId(link.subject), token=link.sealed(self._tokens), is_attack=is_attack
        )
        envelope = begin(
            command,
            tenant_id=link.tenant_id,
            account_id=None,
            actor=SYSTEM,  # who holds the link; policy says in its event by which way it was
            source="/gateway",
            at=host_now(),
        )
        return await self._asker.ask(envelope, until=request[DEADLINE])


def _told(answer: OpenedAnswer, *, is_attack: bool) -> Message:
    if answer.refusal is None:
        return Message.ATTACK_STOPPED if is_attack else Message.RECOVERY_STOPPED
    match answer.refusal.code:
        case RefusalCode.RECOVERY_OVER:
            return Message.RECOVERY_OVER
        case RefusalCode.UNAVAILABLE | RefusalCode.KEY_MISSING | RefusalCode.INTERNAL_ERROR:
            return Message.NOT_DONE
        case _:
            return Message.RECOVERY_LINK_INVALID
