"""The page behind the link "this was not me" in the notices of a recovery. GET shows, POST acts.

GET asks nobody and does nothing: mail scanners and previews open links. The token is checked by policy, and an invalid
one looks the same as one of another tenant.
"""

import re
from uuid import UUID

from aiohttp import web

from services.gateway.middleware import DEADLINE
from services.gateway.prompt.forms import read_form
from services.gateway.prompt.rendering import Pages
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import CancelRecovery
from shared.contracts.envelope import begin
from shared.contracts.replies import RefusalCode
from shared.contracts.types import SYSTEM, RecoveryId
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.messaging.answering import OpenedAnswer
from shared.messaging.bus import NoReply, Unavailable
from shared.secret import Secret

PATH = "/recovery/cancel"
_TOKEN = re.compile(r"[A-Za-z0-9_.=-]{1,200}")
_INVALID = "This link is not valid, or not any more. If you did not ask for a recovery, tell your helpdesk."


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
        link = _link(request.query.get("tenant"), request.query.get("request"), request.query.get("token"))
        if link is None:
            return self._say("This link is not valid", _INVALID, status=404)
        tenant_id, recovery_id, token = link
        values = {"action": self._action, "tenant": tenant_id, "request": recovery_id, "token": token.reveal()}
        return self._pages.response("recovery_cancel.html", values, has_form=True)

    async def act(self, request: web.Request) -> web.Response:
        """A button was pressed."""
        form = await read_form(request) or {}
        link = _link(form.get("tenant"), form.get("request"), form.get("token"))
        if link is None:
            return self._say("This link is not valid", _INVALID, status=404)
        is_attack = form.get("reason") == "attack"
        try:
            answer = await self._ask(link, request, is_attack=is_attack)
        except (NoReply, Unavailable):
            text = "We could not do it right now. Go back and press the button again in a minute."
            return self._say("Not done yet", text, status=503)
        return self._told(answer, is_attack=is_attack)

    async def _ask(
        self, link: "tuple[UUID, UUID, Secret[str]]", request: web.Request, *, is_attack: bool
    ) -> OpenedAnswer:
        tenant_id, recovery_id, token = link
        sealed = seal(self._tokens, token, typed_place(tenant_id, str(recovery_id), "token"))
        envelope = begin(
            CancelRecovery(recovery_id=RecoveryId(recovery_id), token=sealed, is_attack=is_attack),
            tenant_id=tenant_id,
            account_id=None,
            actor=SYSTEM,  # who holds the link; policy says in its event by which way it was
            source="/gateway",
            at=host_now(),
        )
        return await self._asker.ask(envelope, until=request[DEADLINE])

    def _told(self, answer: OpenedAnswer, *, is_attack: bool) -> web.Response:
        if answer.refusal is None:
            text = "Two-factor sign-in stays as it is. Everybody who was told of the recovery is told of this."
            return self._say("The recovery was stopped", text, status=200, is_attack=is_attack)
        match answer.refusal.code:
            case RefusalCode.RECOVERY_OVER:
                text = "It was stopped before, was carried out or has expired. If in doubt, ask your helpdesk."
                return self._say("The recovery is over", text, status=409)
            case RefusalCode.UNAVAILABLE | RefusalCode.KEY_MISSING | RefusalCode.INTERNAL_ERROR:
                text = "We could not do it right now. Go back and press the button again in a minute."
                return self._say("Not done yet", text, status=503)
            case _:
                return self._say("This link is not valid", _INVALID, status=404)

    def _say(self, title: str, text: str, *, status: int, is_attack: bool = False) -> web.Response:
        values = {"title": title, "text": text, "is_attack": is_attack}
        return self._pages.response("recovery_cancelled.html", values, status=status)


def _link(tenant: object, request: object, token: object) -> "tuple[UUID, UUID, Secret[str]] | None":
    """What a link holds, if it has its form."""
    if not isinstance(tenant, str) or not isinstance(request, str) or not isinstance(token, str):
        return None
    try:
        ids = UUID(tenant), UUID(request)
    except ValueError:
        return None
    return (*ids, Secret(token)) if _TOKEN.fullmatch(token) else None
