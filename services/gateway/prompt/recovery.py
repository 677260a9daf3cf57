"""The page "can't access your device?": what will happen and when, a code to the mailbox, and then the wait.

It asks policy and otp_worker, and keeps nothing. Asked twice, an open request is shown as it is: nothing restarts.
"""

import asyncio
import datetime as dt
import zoneinfo
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiohttp import web

from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target, way_back
from services.gateway.prompt.asking import Questions, key_of
from services.gateway.prompt.browser import context_of, read_nonce
from services.gateway.prompt.ends import OVER, ended
from services.gateway.prompt.faults import recovery_fault_text, wait_text
from services.gateway.prompt.mailbox import ACTIONS, MailboxStep
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import Visit
from services.gateway.prompt.sign_in import seconds_until
from shared.clock import host_now
from shared.contracts.commands import ReadAccount, ReadPolicy, ReadRecovery, Request, StartRecovery
from shared.contracts.replies import AccountView, PolicyView, RecoveryView, Refusal, RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState, RecoveryState
from shared.crypto.keyring import KeyRing
from shared.messaging.answering import OpenedAnswer

T = TypeVar("T")

_PATIENCE = dt.timedelta(seconds=1)  # for news between policy and otp_worker; a page says it either way
_FIRST_PAUSE = 0.01  # seconds; doubled each time


class RecoveryPage:
    """Begins a recovery, proves the mailbox, tells the hour."""

    def __init__(self, pages: Pages, questions: Questions, typed: KeyRing) -> None:
        """``typed``: the ring ``seal.otp_worker``."""
        self._pages = pages
        self._questions = questions
        self._mailbox = MailboxStep(pages, questions, typed)

    async def show(self, visit: Visit) -> web.Response:
        """How the request stands, or how to make one. Looking begins nothing."""
        return await self._stand(visit)

    async def act(self, visit: Visit, form: Mapping[str, str]) -> web.Response:
        """The request is made, or its mailbox proved."""
        nonce, action = read_nonce(form.get("nonce")), form.get("action")
        if nonce is None:
            return self._pages.say(Message.FORM_REFUSED, visit.language)
        if action == "begin":
            return await self._begin(visit, nonce)
        request = await self._request(visit)
        if action not in ACTIONS or request is None or request.challenge_id is None:
            return await self._stand(visit)
        refusal = await self._mailbox.act(visit, request.challenge_id, form, nonce)
        return await self._stand(visit, refusal, is_empty=action == "verify" and not form.get("code", "").strip())

    async def _begin(self, visit: Visit, nonce: str) -> web.Response:
        path = f"/v1/accounts/{visit.session.account_id}/recovery"
        answer = await self._ask(
            visit, StartRecovery(context=context_of(visit.request), request=key_of(visit, path, nonce))
        )
        if answer.refusal is not None:
            return await self._offer(visit, answer.refusal)
        return await self._stand(visit)

    async def _stand(self, visit: Visit, refusal: Refusal | None = None, *, is_empty: bool = False) -> web.Response:
        request = await self._request(visit)
        match request.state if request is not None else None:
            case RecoveryState.WAITING:
                return await self._waiting(visit, request)
            case RecoveryState.DRAFT if request is not None and request.challenge_id is not None:
                return await self._draft(visit, request.challenge_id, refusal, is_empty=is_empty)
            case _:
                return await self._offer(visit, refusal)

    async def _draft(
        self, visit: Visit, challenge_id: ChallengeId, refusal: Refusal | None, *, is_empty: bool
    ) -> web.Response:
        """The mailbox's form. Policy tells otp_worker of the challenge, and hears of its success, by messages."""
        view = await _until(lambda: self._questions.challenge(visit, challenge_id), lambda seen: seen is not None)
        match view.state if view is not None else None:
            case ChallengeState.OPEN if view is not None and view.factors:
                return self._mailbox.shown(visit, view, refusal, purpose="recovery", is_empty=is_empty)
            case ChallengeState.VERIFIED:
                return await self._waiting(visit, await _until(lambda: self._request(visit), _is_waiting))
            case _:
                return await self._offer(visit, refusal)

    async def _offer(self, visit: Visit, refusal: Refusal | None) -> web.Response:
        policy = await self._ask(visit, ReadPolicy())
        if policy.refusal is not None or (refusal is not None and refusal.code is RefusalCode.ACCOUNT_NOT_FOUND):
            return ended(self._pages, visit, OVER)
        hours = PolicyView.model_validate(policy.data).policy.recovery.wait_hours
        values = {
            **visit.form_values(),
            "fault": recovery_fault_text(refusal, visit.language) if refusal is not None else None,
            "wait": wait_text(hours * 3600, visit.language),
        }
        return self._pages.form(
            "recovery_offer.html",
            values,
            visit.language,
            status=200 if refusal is None else KINDS[refusal.code].status,
            then=form_target(visit.session),
        )

    async def _waiting(self, visit: Visit, request: RecoveryView | None) -> web.Response:
        """When it will happen, by the account's own clock; None yet: a moment after the proof."""
        ready_at = request.ready_at if request is not None else None
        values = {
            **visit.form_values(),
            "ready_at": await self._local(visit, ready_at) if ready_at is not None else None,
            "wait": wait_text(seconds_until(ready_at, visit.session.tenant_now), visit.language),
            "go_on": way_back(visit.session, done="recovery"),
        }
        return self._pages.form("recovery_waits.html", values, visit.language)

    async def _local(self, visit: Visit, at: dt.datetime) -> str:
        answer = await self._ask(visit, ReadAccount())
        zone = AccountView.model_validate(answer.data).time_zone if answer.refusal is None else "UTC"
        return f"{at.astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"

    async def _request(self, visit: Visit) -> RecoveryView | None:
        answer = await self._ask(visit, ReadRecovery())
        return RecoveryView.model_validate(answer.data) if answer.refusal is None else None

    async def _ask(self, visit: Visit, command: Request) -> OpenedAnswer:
        return await self._questions.ask(visit, command, account_id=visit.session.account_id)


def _is_waiting(request: RecoveryView | None) -> bool:
    return request is not None and request.state is not RecoveryState.DRAFT


async def _until(probe: Callable[[], Awaitable[T]], is_so: Callable[[T], bool]) -> T:
    """What is seen once it is so, or when patience is over."""
    end, pause = host_now() + _PATIENCE, _FIRST_PAUSE
    while not is_so(seen := await probe()) and host_now() < end:
        await asyncio.sleep(pause)
        pause *= 2
    return seen
