"""What a page asks the other services, as the person before it; and whether that person may go home."""

from uuid import UUID

from aiohttp import web

from services.gateway.middleware import DEADLINE
from services.gateway.prompt.sessions import Visit
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import ReadChallenge, RenewRedemption, Request, request_scope
from shared.contracts.envelope import begin
from shared.contracts.replies import ChallengeView, RefusalCode, Renewed
from shared.contracts.types import ChallengeId, FactorId, RequestKey
from shared.messaging.answering import OpenedAnswer
from shared.messaging.bus import Unavailable

_OUTAGES = frozenset({RefusalCode.UNAVAILABLE, RefusalCode.KEY_MISSING, RefusalCode.INTERNAL_ERROR})


class Questions:
    """The very commands of the API."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def ask(self, visit: Visit, command: Request, *, account_id: str | None = None) -> OpenedAnswer:
        """Data or a refusal. Raises `NoReply` and `Unavailable`, also where the service says so itself."""
        envelope = begin(
            command,
            tenant_id=visit.session.tenant_id,
            account_id=account_id,
            actor=f"account:{visit.session.account_id}",
            source="/gateway",
            at=host_now(),
        )
        answer = await self._asker.ask(envelope, until=visit.request[DEADLINE])
        if answer.refusal is not None and answer.refusal.code in _OUTAGES:
            raise Unavailable(answer.refusal.code.value)
        return answer

    async def challenge(self, visit: Visit, challenge_id: ChallengeId) -> ChallengeView | None:
        """As it stands; None: its account was erased meanwhile."""
        answer = await self.ask(visit, ReadChallenge(challenge_id=challenge_id))
        return ChallengeView.model_validate(answer.data) if answer.refusal is None else None

    async def is_passed_here(self, visit: Visit) -> bool:
        """Whether this very browser passed the session's challenge: then its code is good for another minute."""
        challenge_id = challenge_of(visit)
        digest = visit.browser.redeem_digest(challenge_id)
        answer = await self.ask(visit, RenewRedemption(challenge_id=challenge_id, redeem_digest=digest))
        return answer.refusal is None and Renewed.model_validate(answer.data).is_redeemable


def challenge_of(visit: Visit) -> ChallengeId:
    """The session's, where its kind has one."""
    challenge_id = visit.session.challenge_id
    assert challenge_id is not None
    return challenge_id


def home(visit: Visit) -> web.Response:
    """Back, with the code that the helpdesk redeems."""
    challenge_id = challenge_of(visit)
    return visit.leave(code=visit.browser.redeem_code(challenge_id), challenge_id=str(challenge_id))


def key_of(visit: Visit, path: str, *parts: str) -> RequestKey:
    """The Idempotency-Key of a form. The scope is the API's: erasing the account forgets these answers as well."""
    key = visit.browser.request_key(path, *parts)
    return RequestKey(scope=request_scope("POST", path), key=key, fingerprint=key)


def read_id(text: str | None) -> FactorId | None:
    """A factor's id in a form or an address."""
    try:
        return FactorId(UUID(text)) if text else None
    except ValueError:
        return None
