"""The page that asks for the second factor of a login. It asks the other services with the very commands of the API.

What a crash leaves behind, and the way on: a form that is sent again has the same Idempotency-Key, so it is answered
and not judged again; a challenge that this browser passed, whose redirect was lost, leads home whenever it is shown.
"""

import datetime as dt
import math
from collections.abc import Mapping
from uuid import UUID

from aiohttp import web

from services.gateway.middleware import DEADLINE
from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target, way_back
from services.gateway.prompt.browser import context_of, new_nonce, read_nonce
from services.gateway.prompt.faults import NOTHING_TYPED, fault_text, wait_text
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import Visit, see_other
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import ReadChallenge, RenewRedemption, Request, SendCode, VerifyCode, request_scope
from shared.contracts.envelope import begin
from shared.contracts.replies import ChallengeView, OfferedFactor, Refusal, RefusalCode, Renewed, VerifyAnswer
from shared.contracts.types import ChallengeId, ChallengeState, FactorId, FactorType, RequestKey
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.messaging.answering import OpenedAnswer
from shared.messaging.bus import Unavailable
from shared.secret import Secret

WAYS = ("code", "backup_code", "recovery_key", "recovery_code")
_LONGEST_TYPED = 100  # characters, as in the API
_SENT = frozenset({FactorType.EMAIL, FactorType.SMS})
_OUTAGES = frozenset({RefusalCode.UNAVAILABLE, RefusalCode.KEY_MISSING, RefusalCode.INTERNAL_ERROR})
_ENDS: Mapping[ChallengeState, tuple[Message, str]] = {
    ChallengeState.EXPIRED: (Message.CHALLENGE_EXPIRED, "expired"),
    ChallengeState.EXHAUSTED: (Message.CHALLENGE_EXHAUSTED, "exhausted"),
}
_OVER = (Message.CHALLENGE_OVER, "over")


class SignInPage:
    """Asks for a code, sends one, leads home."""

    def __init__(self, pages: Pages, asker: Asker, typed: KeyRing) -> None:
        """``typed``: the ring ``seal.otp_worker``."""
        self._pages = pages
        self._asker = asker
        self._typed = typed

    async def show(self, visit: Visit) -> web.Response:
        """The challenge as it stands."""
        query = visit.request.query
        return await self._stand(visit, way=_way(query.get("way")), factor_id=_id(query.get("factor")))

    async def act(self, visit: Visit, form: Mapping[str, str]) -> web.Response:
        """A code was typed, or one is to be sent."""
        nonce = read_nonce(form.get("nonce"))
        if nonce is None:
            return self._pages.say(Message.FORM_REFUSED, visit.language)
        if form.get("action") == "send":
            return await self._send(visit, form, nonce)
        return await self._verify(visit, form, nonce)

    async def _send(self, visit: Visit, form: Mapping[str, str], nonce: str) -> web.Response:
        factor_id = _id(form.get("factor"))
        command = SendCode(
            challenge_id=_challenge(visit),
            factor_id=factor_id,
            request=_key(visit, "send", nonce, str(factor_id)),
        )
        answer = await self._ask(visit, command)
        if answer.refusal is None:
            return see_other(f"{visit.action}?factor={factor_id}")
        return await self._stand(visit, way="code", factor_id=factor_id, refusal=answer.refusal)

    async def _verify(self, visit: Visit, form: Mapping[str, str], nonce: str) -> web.Response:
        way, factor_id = _way(form.get("way")), _id(form.get("factor"))
        text, trust = form.get("code", "").strip()[:_LONGEST_TYPED], form.get("trust_device") == "yes"
        if not text:
            return await self._stand(visit, way=way, factor_id=factor_id, fault=NOTHING_TYPED[visit.language])
        challenge_id = _challenge(visit)
        sealed = seal(self._typed, Secret(text), typed_place(visit.session.tenant_id, str(challenge_id), "code"))
        command = VerifyCode.model_validate(
            {
                "challenge_id": challenge_id,
                "factor_id": factor_id if way == "code" else None,
                way: sealed,
                "trust_device": trust,
                "context": context_of(visit.request),
                "redeem_digest": visit.browser.redeem_digest(challenge_id),
                "request": _key(visit, "verify", nonce, way, str(factor_id), text, str(trust)),
            }
        )
        answer = await self._ask(visit, command)
        if answer.refusal is not None:
            return await self._stand(visit, way=way, factor_id=factor_id, refusal=answer.refusal)
        new_key = VerifyAnswer.model_validate(answer.data).recovery_key
        return self._home(visit) if new_key is None else self._new_key(visit, new_key)

    async def _stand(
        self,
        visit: Visit,
        *,
        way: str,
        factor_id: FactorId | None,
        refusal: Refusal | None = None,
        fault: str | None = None,
    ) -> web.Response:
        """The page for the challenge as it is now, with what went wrong; or what became of it."""
        answer = await self._ask(visit, ReadChallenge(challenge_id=_challenge(visit)))
        if answer.refusal is not None:  # the account was erased meanwhile
            return self._ended(visit, *_OVER)
        view = ChallengeView.model_validate(answer.data)
        if view.state is ChallengeState.OPEN:
            said = fault_text(refusal, visit.language) if refusal is not None else fault
            return self._form(visit, view, way, factor_id, said, 200 if refusal is None else KINDS[refusal.code].status)
        if view.state is ChallengeState.VERIFIED and await self._is_passed_here(visit):
            return self._home(visit)
        return self._ended(visit, *_ENDS.get(view.state, _OVER))

    async def _is_passed_here(self, visit: Visit) -> bool:
        """Whether this very browser passed the challenge: then its code is good for another minute."""
        challenge_id = _challenge(visit)
        command = RenewRedemption(challenge_id=challenge_id, redeem_digest=visit.browser.redeem_digest(challenge_id))
        answer = await self._ask(visit, command)
        return answer.refusal is None and Renewed.model_validate(answer.data).is_redeemable

    def _home(self, visit: Visit) -> web.Response:
        challenge_id = _challenge(visit)
        return visit.leave(code=visit.browser.redeem_code(challenge_id), challenge_id=str(challenge_id))

    def _ended(self, visit: Visit, message: Message, error: str) -> web.Response:
        return self._pages.say(message, visit.language, back=way_back(visit.session, error=error))

    def _new_key(self, visit: Visit, recovery_key: str) -> web.Response:
        """The key that was typed is used up. The new one is shown before the person goes on, and only now."""
        values = {"tenant_name": visit.session.tenant_name, "recovery_key": recovery_key, "go_on": visit.action}
        return self._pages.form("recovery_key_replaced.html", values, visit.language)

    def _form(
        self,
        visit: Visit,
        view: ChallengeView,
        way: str,
        factor_id: FactorId | None,
        fault: str | None,
        status: int,
    ) -> web.Response:
        factor = _chosen(view, factor_id)
        values = {
            "tenant_name": visit.session.tenant_name,
            "action": visit.action,
            "form_token": visit.browser.form_token(),
            "nonce": new_nonce(),
            "fault": fault,
            "way": way if factor is not None or way != "code" else "backup_code",
            "factor": _shown(factor, view, visit) if factor is not None else None,
            "others": [_shown(each, view, visit) for each in view.factors if each is not factor],
            "has_backup_codes": view.has_backup_codes,
            "has_recovery_key": view.has_recovery_key,
            "trusted_device_days": view.trusted_device_days,
            "cancel": way_back(visit.session, error="cancelled"),
        }
        return self._pages.form("sign_in.html", values, visit.language, status=status, then=form_target(visit.session))

    async def _ask(self, visit: Visit, command: Request) -> OpenedAnswer:
        """As the person. Raises `NoReply` and `Unavailable`, also where the service says so itself."""
        envelope = begin(
            command,
            tenant_id=visit.session.tenant_id,
            account_id=None,
            actor=f"account:{visit.session.account_id}",
            source="/gateway",
            at=host_now(),
        )
        answer = await self._asker.ask(envelope, until=visit.request[DEADLINE])
        if answer.refusal is not None and answer.refusal.code in _OUTAGES:
            raise Unavailable(answer.refusal.code.value)
        return answer


def _challenge(visit: Visit) -> ChallengeId:
    challenge_id = visit.session.challenge_id
    assert challenge_id is not None  # a CHECK of the table
    return challenge_id


def _key(visit: Visit, asked: str, *parts: str) -> RequestKey:
    """The scope is the API's: erasing the account forgets these answers as well."""
    key = visit.browser.request_key(asked, *parts)
    scope = request_scope("POST", f"/v1/challenges/{_challenge(visit)}/{asked}")
    return RequestKey(scope=scope, key=key, fingerprint=key)


def _way(text: str | None) -> str:
    return text if text in WAYS else WAYS[0]


def _id(text: str | None) -> FactorId | None:
    try:
        return FactorId(UUID(text)) if text else None
    except ValueError:
        return None


def _chosen(view: ChallengeView, factor_id: FactorId | None) -> OfferedFactor | None:
    """The one that was asked for, else the one whose code was sent last, else the first."""
    for wanted in (factor_id, view.sent_to):
        found = next((each for each in view.factors if wanted is not None and each.factor_id == wanted), None)
        if found is not None:
            return found
    return view.factors[0] if view.factors else None


def _shown(factor: OfferedFactor, view: ChallengeView, visit: Visit) -> dict[str, object]:
    is_sent = factor.type in _SENT
    wait = _seconds(factor.next_send_at, visit.session.tenant_now) if is_sent else 0
    return {
        "id": factor.factor_id,
        "type": factor.type.value,
        "name": factor.name,
        "destination": factor.destination,
        "is_sent": is_sent,
        "has_code": is_sent and view.sent_to == factor.factor_id,
        "may_send": is_sent and view.sends_left > 0,
        "wait": wait_text(wait, visit.language) if wait else None,
    }


def _seconds(until: dt.datetime | None, now: dt.datetime) -> int:
    return max(0, math.ceil((until - now).total_seconds())) if until is not None else 0
