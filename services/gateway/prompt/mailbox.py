"""The step at which a person proves the account's mailbox, before an enrolment or a recovery."""

from collections.abc import Mapping

from aiohttp import web

from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target
from services.gateway.prompt.asking import Questions, key_of
from services.gateway.prompt.faults import NOTHING_TYPED, fault_text, wait_text
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import Visit
from services.gateway.prompt.sign_in import LONGEST_TYPED, seconds_until
from shared.contracts.commands import SendCode, VerifyCode
from shared.contracts.replies import ChallengeView, Refusal
from shared.contracts.types import ChallengeId
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.secret import Secret

ACTIONS = frozenset({"send", "verify"})


class MailboxStep:
    """Sends a code to the mailbox that a challenge offers, and judges it."""

    def __init__(self, pages: Pages, questions: Questions, typed: KeyRing) -> None:
        """``typed``: the ring ``seal.otp_worker``."""
        self._pages = pages
        self._questions = questions
        self._typed = typed

    async def act(self, visit: Visit, challenge_id: ChallengeId, form: Mapping[str, str], nonce: str) -> Refusal | None:
        """One of `ACTIONS`; None: done, or nothing was typed, which the next showing says."""
        path = f"/v1/challenges/{challenge_id}/{form['action']}"
        if form["action"] == "send":
            command = SendCode(challenge_id=challenge_id, request=key_of(visit, path, nonce))
            return (await self._questions.ask(visit, command)).refusal
        text = form.get("code", "").strip()[:LONGEST_TYPED]
        if not text:
            return None
        sealed = seal(self._typed, Secret(text), typed_place(visit.session.tenant_id, str(challenge_id), "code"))
        attempt = VerifyCode(
            challenge_id=challenge_id,
            code=sealed,
            redeem_digest=visit.browser.redeem_digest(challenge_id),  # an enrolment goes on in this browser alone
            request=key_of(visit, path, nonce, text),
        )
        return (await self._questions.ask(visit, attempt)).refusal

    def shown(
        self, visit: Visit, view: ChallengeView, refusal: Refusal | None, *, purpose: str, is_empty: bool = False
    ) -> web.Response:
        """The form. ``purpose``: ``enrolment`` or ``recovery``; ``is_empty``: a code was sent without a digit."""
        wait = seconds_until(view.next_send_at, visit.session.tenant_now)
        said = fault_text(refusal, visit.language) if refusal is not None else None
        values = {
            **visit.form_values(),
            "purpose": purpose,
            "fault": NOTHING_TYPED[visit.language] if is_empty else said,
            "destination": view.factors[0].destination,
            "has_code": view.next_send_at is not None or not view.sends_left,
            "may_send": view.sends_left > 0,
            "wait": wait_text(wait, visit.language) if wait else None,
        }
        status = 200 if refusal is None else KINDS[refusal.code].status
        return self._pages.form(
            "prove_mailbox.html", values, visit.language, status=status, then=form_target(visit.session)
        )
