"""The pages on which a person sets up a second factor: choose, scan or be sent a code, prove it, save the codes.

The gateway keeps nothing of it. What a page shows again after a wrong code, the QR code above all, is the answer that
the beginning was given, read under the same Idempotency-Key for as long as it is kept.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target
from services.gateway.prompt.asking import Questions, challenge_of, home, key_of, read_id
from services.gateway.prompt.authenticator import authenticator_setup
from services.gateway.prompt.browser import read_nonce
from services.gateway.prompt.ends import EXPIRED, OVER, end_of, ended
from services.gateway.prompt.faults import NOTHING_TYPED, fault_text
from services.gateway.prompt.mailbox import ACTIONS, MailboxStep
from services.gateway.prompt.messages import Message
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.sessions import Visit
from services.gateway.prompt.sign_in import LONGEST_TYPED
from shared.contracts.commands import (
    AcknowledgeBackupCodes,
    ConfirmEnrolment,
    ReadAccount,
    ReadPolicy,
    ReadSecurity,
    Request,
    SendEnrolmentCode,
    StartEnrolment,
)
from shared.contracts.replies import (
    AccountView,
    ConfirmationAnswer,
    EnrolmentAnswer,
    PolicyView,
    Refusal,
    RefusalCode,
    SecurityView,
)
from shared.contracts.types import ChallengeState, FactorId, FactorState, FactorType, Purpose
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.messaging.answering import OpenedAnswer
from shared.messaging.bus import Unavailable
from shared.secret import Secret

_TYPES = (FactorType.TOTP, FactorType.EMAIL, FactorType.SMS)
_BEGIN_AGAIN = frozenset(
    {
        RefusalCode.FACTOR_NOT_FOUND,
        RefusalCode.FACTOR_NOT_PENDING,
        RefusalCode.CHALLENGE_EXPIRED,
        RefusalCode.CHALLENGE_EXHAUSTED,
        RefusalCode.CHALLENGE_NOT_OPEN,
        RefusalCode.PROOF_REQUIRED,
    }
)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A pending factor as its form names it: the type, and the nonce of the form that began it."""

    type: FactorType
    nonce: str


class EnrolPage:
    """From the choice to the codes."""

    def __init__(self, pages: Pages, questions: Questions, typed: KeyRing) -> None:
        """``typed``: the ring ``seal.otp_worker``."""
        self._pages = pages
        self._questions = questions
        self._typed = typed
        self._mailbox = MailboxStep(pages, questions, typed)

    async def show(self, visit: Visit) -> web.Response:
        """Where the person stands."""
        return await self._stand(visit)

    async def act(self, visit: Visit, form: Mapping[str, str]) -> web.Response:
        """One step on."""
        nonce, action = read_nonce(form.get("nonce")), form.get("action")
        if nonce is None:
            return self._pages.say(Message.FORM_REFUSED, visit.language)
        if action in ACTIONS and visit.session.challenge_id is not None:
            refusal = await self._mailbox.act(visit, challenge_of(visit), form, nonce)
            return await self._stand(visit, refusal, is_empty=action == "verify" and not form.get("code", "").strip())
        begun = _begun(form, nonce)
        if action == "start" and begun is not None:
            return await self._pending(visit, begun, None)
        if action == "saved":
            await self._acknowledge(visit)
            return await self._finish(visit)
        factor_id = read_id(form.get("factor"))
        if begun is None or factor_id is None:
            return await self._stand(visit)
        if action == "resend":
            return await self._resend(visit, begun, factor_id, nonce)
        return await self._confirm(visit, begun, factor_id, form, nonce)

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _resend(self, visit: Visit, begun: _Begun, factor_id: FactorId, nonce: str) -> web.Response:
        key = key_of(visit, self._path(visit, f"{factor_id}/send"), nonce)
        answer = await self._ask(visit, SendEnrolmentCode(factor_id=factor_id, request=key))
        return await self._pending(visit, begun, answer.refusal)

    async def _confirm(
        self, visit: Visit, begun: _Begun, factor_id: FactorId, form: Mapping[str, str], nonce: str
    ) -> web.Response:
        text = form.get("code", "").strip()[:LONGEST_TYPED]
        if not text:
            return await self._pending(visit, begun, None, fault=NOTHING_TYPED[visit.language])
        if form.get("saved") == "yes":
            await self._acknowledge(visit)
        challenge_id = visit.session.challenge_id
        sealed = seal(self._typed, Secret(text), typed_place(visit.session.tenant_id, str(factor_id), "code"))
        command = ConfirmEnrolment(
            factor_id=factor_id,
            code=sealed,
            redeem_digest=visit.browser.redeem_digest(challenge_id) if challenge_id is not None else None,
            request=key_of(visit, self._path(visit, f"{factor_id}/confirm"), nonce, text),
        )
        answer = await self._ask(visit, command)
        if answer.refusal is not None:
            return await self._pending(visit, begun, answer.refusal)
        confirmed = ConfirmationAnswer.model_validate(answer.data)
        has_codes = confirmed.backup_codes is not None or confirmed.recovery_key is not None
        if not has_codes or await self._is_saved(visit):
            return await self._finish(visit)
        values = {
            **visit.form_values(),
            "backup_codes": confirmed.backup_codes or (),
            "recovery_key": confirmed.recovery_key,
        }
        return self._pages.form("save_codes.html", values, visit.language, then=form_target(visit.session))

    async def _finish(self, visit: Visit) -> web.Response:
        """Home: with a code where a login waits for it."""
        if visit.session.challenge_id is None:
            return visit.leave(done="enrolled")
        view = await self._questions.challenge(visit, challenge_of(visit))
        if view is not None and view.purpose is not Purpose.ENROLMENT:
            return visit.leave(done="enrolled")
        return home(visit) if await self._questions.is_passed_here(visit) else ended(self._pages, visit, EXPIRED)

    async def _acknowledge(self, visit: Visit) -> None:
        await self._ask(visit, AcknowledgeBackupCodes())

    # --- pages --------------------------------------------------------------------------------------------------------

    async def _stand(self, visit: Visit, refusal: Refusal | None = None, *, is_empty: bool = False) -> web.Response:
        """The mailbox first, where it must be proved; else the choice; or home, for whoever has been through it."""
        if visit.session.challenge_id is None:
            return await self._choice(visit, refusal)
        view = await self._questions.challenge(visit, challenge_of(visit))
        if view is None:
            return ended(self._pages, visit, OVER)
        if view.purpose is not Purpose.ENROLMENT:
            return await self._choice(visit, refusal)
        match view.state:
            case ChallengeState.OPEN if view.factors:
                return self._mailbox.shown(visit, view, refusal, purpose="enrolment", is_empty=is_empty)
            case ChallengeState.OPEN:
                return await self._choice(visit, refusal)
            case ChallengeState.VERIFIED:  # by this browser's factor; else its mailbox was proved, and the rest follows
                is_passed = await self._questions.is_passed_here(visit)
                return home(visit) if is_passed else await self._choice(visit, refusal)
            case state:
                return ended(self._pages, visit, end_of(state))

    async def _choice(self, visit: Visit, refusal: Refusal | None) -> web.Response:
        policy, account = await asyncio.gather(self._ask(visit, ReadPolicy()), self._ask(visit, ReadAccount()))
        if policy.refusal is not None or account.refusal is not None:
            return ended(self._pages, visit, OVER)
        known = AccountView.model_validate(account.data)
        places = {FactorType.EMAIL: known.email, FactorType.SMS: known.phone}
        methods = PolicyView.model_validate(policy.data).policy.methods
        values = {
            **visit.form_values(),
            "fault": _said(refusal, visit.language),
            "choices": [
                {"type": each.value, "destination": places.get(each)}
                for each in _TYPES
                if each in methods and (each is FactorType.TOTP or places[each] is not None)
            ],
        }
        return self._pages.form(
            "enrol_choice.html",
            values,
            visit.language,
            status=200 if refusal is None else KINDS[refusal.code].status,
            then=form_target(visit.session),
        )

    async def _pending(
        self, visit: Visit, begun: _Begun, refusal: Refusal | None, *, fault: str | None = None
    ) -> web.Response:
        """The form of the pending factor; where it is pending no more, the choice."""
        if refusal is not None and refusal.code in _BEGIN_AGAIN:
            return await self._stand(visit, refusal)
        answer = await self._begun_answer(visit, begun)
        if answer.refusal is not None:
            return await self._stand(visit, answer.refusal)
        made = EnrolmentAnswer.model_validate(answer.data)
        if await self._is_over(visit, made.factor.id):
            return await self._stand(visit)
        return await self._form(visit, begun, made, refusal, fault)

    async def _form(
        self,
        visit: Visit,
        begun: _Begun,
        made: EnrolmentAnswer,
        refusal: Refusal | None,
        fault: str | None,
    ) -> web.Response:
        values = {
            **visit.form_values(),
            "fault": _said(refusal, visit.language) or fault,
            "type": begun.type.value,
            "began": begun.nonce,
            "factor": made.factor.id,
            "destination": made.factor.destination,
            "totp": await authenticator_setup(made.totp) if made.totp is not None else None,
            "backup_codes": made.backup_codes or (),
            "recovery_key": made.recovery_key,
        }
        return self._pages.form(
            "enrol_proof.html",
            values,
            visit.language,
            status=200 if refusal is None else KINDS[refusal.code].status,
            then=form_target(visit.session),
        )

    # --- questions ----------------------------------------------------------------------------------------------------

    async def _begun_answer(self, visit: Visit, begun: _Begun) -> OpenedAnswer:
        """Begins, or reads what was answered when it began: the key is the same."""
        challenge_id = visit.session.challenge_id
        command = StartEnrolment(
            factor_type=begun.type,
            proof=challenge_id,
            redeem_digest=visit.browser.redeem_digest(challenge_id) if challenge_id is not None else None,
            request=key_of(visit, self._path(visit), begun.type.value, begun.nonce),
        )
        return await self._ask(visit, command)

    async def _is_over(self, visit: Visit, factor_id: FactorId) -> bool:
        """Whether the factor is pending no more: then whoever presses "back" after its owner is shown no key of it."""
        pending = (each for each in (await self._security(visit)).factors if each.state is FactorState.PENDING)
        return all(each.id != factor_id for each in pending)

    async def _is_saved(self, visit: Visit) -> bool:
        """Whether the person has said so: then the codes are shown no more, not to a lost answer's browser either."""
        status = (await self._security(visit)).backup_codes
        key = status.recovery_key
        return status.acknowledged_at is not None or (key is not None and key.acknowledged_at is not None)

    async def _security(self, visit: Visit) -> SecurityView:
        """As the account stands. Raises `Unavailable` where it was erased meanwhile."""
        answer = await self._ask(visit, ReadSecurity())
        if answer.refusal is not None:
            raise Unavailable(answer.refusal.code.value)
        return SecurityView.model_validate(answer.data)

    async def _ask(self, visit: Visit, command: Request) -> OpenedAnswer:
        return await self._questions.ask(visit, command, account_id=visit.session.account_id)

    def _path(self, visit: Visit, more: str = "") -> str:
        path = f"/v1/accounts/{visit.session.account_id}/factors"
        return f"{path}/{more}" if more else path


def _begun(form: Mapping[str, str], nonce: str) -> _Begun | None:
    """What the form is about; the form that begins is its own beginning."""
    began = nonce if form.get("action") == "start" else read_nonce(form.get("began"))
    named = next((each for each in _TYPES if each.value == form.get("type")), None)
    return _Begun(named, began) if named is not None and began is not None else None


def _said(refusal: Refusal | None, language: str) -> str | None:
    return fault_text(refusal, language) if refusal is not None else None
