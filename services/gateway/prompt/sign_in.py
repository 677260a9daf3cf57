"""The page that asks for the second factor of a login. It asks the other services with the very commands of the API.

What a crash leaves behind, and the way on: a form that is sent again has the same Idempotency-Key, so it is answered
and not judged again; a challenge that this browser passed, whose redirect was lost, leads home whenever it is shown.
"""

import datetime as dt
import math
from collections.abc import Mapping

from aiohttp import web

from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target
from services.gateway.prompt.asking import Questions, challenge_of, home, key_of, read_id
from services.gateway.prompt.browser import context_of, read_nonce
from services.gateway.prompt.ends import OVER, end_of, ended
from services.gateway.prompt.faults import NOTHING_TYPED, fault_text, wait_text
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import HostedPage, Visit, see_other
from shared.contracts.commands import SendCode, VerifyCode
from shared.contracts.replies import ChallengeView, OfferedFactor, Refusal, VerifyAnswer
from shared.contracts.types import ChallengeState, FactorId, FactorType, Purpose
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.secret import Secret

WAYS = ("code", "backup_code", "recovery_key", "recovery_code")
RECOVERY = "recovery"  # `page` of the forms and the link that lead there
LONGEST_TYPED = 100  # characters, as in the API
_SENT = frozenset({FactorType.EMAIL, FactorType.SMS})


class SignInPage:
    """Asks for a code, sends one, leads home."""

    def __init__(self, pages: Pages, questions: Questions, typed: KeyRing, recovery: HostedPage) -> None:
        """``typed``: the ring ``seal.otp_worker``; ``recovery``: for who has none of what is asked for."""
        self._pages = pages
        self._recovery = recovery
        self._questions = questions
        self._typed = typed

    async def show(self, visit: Visit) -> web.Response:
        """The challenge as it stands."""
        query = visit.request.query
        if query.get("page") == RECOVERY:
            return await self._recovery.show(visit)
        return await self._stand(visit, way=_way(query.get("way")), factor_id=read_id(query.get("factor")))

    async def act(self, visit: Visit, form: Mapping[str, str]) -> web.Response:
        """A code was typed, or one is to be sent."""
        if form.get("page") == RECOVERY:
            return await self._recovery.act(visit, form)
        nonce = read_nonce(form.get("nonce"))
        if nonce is None:
            return self._pages.say(Message.FORM_REFUSED, visit.language)
        if form.get("action") == "send":
            return await self._send(visit, form, nonce)
        return await self._verify(visit, form, nonce)

    async def _send(self, visit: Visit, form: Mapping[str, str], nonce: str) -> web.Response:
        factor_id = read_id(form.get("factor"))
        command = SendCode(
            challenge_id=challenge_of(visit),
            factor_id=factor_id,
            request=key_of(visit, f"/v1/challenges/{challenge_of(visit)}/send", nonce, str(factor_id)),
        )
        answer = await self._questions.ask(visit, command)
        if answer.refusal is None:
            return see_other(f"{visit.action}?factor={factor_id}")
        return await self._stand(visit, way="code", factor_id=factor_id, refusal=answer.refusal)

    async def _verify(self, visit: Visit, form: Mapping[str, str], nonce: str) -> web.Response:
        way, factor_id = _way(form.get("way")), read_id(form.get("factor"))
        text, trust = form.get("code", "").strip()[:LONGEST_TYPED], form.get("trust_device") == "yes"
        if not text:
            return await self._stand(visit, way=way, factor_id=factor_id, fault=NOTHING_TYPED[visit.language])
        challenge_id = challenge_of(visit)
        sealed = seal(self._typed, Secret(text), typed_place(visit.session.tenant_id, str(challenge_id), "code"))
        command = VerifyCode.model_validate(
            {
                "challenge_id": challenge_id,
                "factor_id": factor_id if way == "code" else None,
                way: sealed,
                "trust_device": trust,
                "context": context_of(visit.request),
                "redeem_digest": visit.browser.redeem_digest(challenge_id),
                "request": key_of(
                    visit, f"/v1/challenges/{challenge_id}/verify", nonce, way, str(factor_id), text, str(trust)
                ),
            }
        )
        answer = await self._questions.ask(visit, command)
        if answer.refusal is not None:
            return await self._stand(visit, way=way, factor_id=factor_id, refusal=answer.refusal)
        new_key = VerifyAnswer.model_validate(answer.data).recovery_key
        return home(visit) if new_key is None else await self._new_key(visit, new_key)

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
        view = await self._questions.challenge(visit, challenge_of(visit))
        if view is None:
            return ended(self._pages, visit, OVER)
        if view.state is ChallengeState.OPEN:
            said = fault_text(refusal, visit.language) if refusal is not None else fault
            return self._form(visit, view, way, factor_id, said, 200 if refusal is None else KINDS[refusal.code].status)
        if view.state is ChallengeState.VERIFIED and await self._questions.is_passed_here(visit):
            return home(visit)
        return ended(self._pages, visit, end_of(view.state))

    async def _new_key(self, visit: Visit, recovery_key: str) -> web.Response:
        """The key that was typed is used up. The new one is shown before the person goes on, and only now: whoever
        presses "back" once the helpdesk has let the person in is shown none.
        """
        view = await self._questions.challenge(visit, challenge_of(visit))
        if view is None or view.state is not ChallengeState.VERIFIED:
            return ended(self._pages, visit, OVER)
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
            **visit.form_values(),
            "fault": fault,
            "is_step_up": view.purpose is Purpose.STEP_UP,  # who meant to sign in must see that this is more
            "way": way if factor is not None or way != "code" else "backup_code",
            "factor": _shown(factor, view, visit) if factor is not None else None,
            "others": [_shown(each, view, visit) for each in view.factors if each is not factor],
            "has_backup_codes": view.has_backup_codes,
            "has_recovery_key": view.has_recovery_key,
            "trusted_device_days": view.trusted_device_days,
        }
        return self._pages.form("sign_in.html", values, visit.language, status=status, then=form_target(visit.session))


def _way(text: str | None) -> str:
    return text if text in WAYS else WAYS[0]


def _chosen(view: ChallengeView, factor_id: FactorId | None) -> OfferedFactor | None:
    """The one that was asked for, else the one whose code was sent last, else the first."""
    for wanted in (factor_id, view.sent_to):
        found = next((each for each in view.factors if wanted is not None and each.factor_id == wanted), None)
        if found is not None:
            return found
    return view.factors[0] if view.factors else None


def _shown(factor: OfferedFactor, view: ChallengeView, visit: Visit) -> dict[str, object]:
    is_sent = factor.type in _SENT
    wait = seconds_until(factor.next_send_at, visit.session.tenant_now) if is_sent else 0
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


def seconds_until(until: dt.datetime | None, now: dt.datetime) -> int:
    """Whole seconds, both in tenant time; 0: none."""
    return max(0, math.ceil((until - now).total_seconds())) if until is not None else 0
