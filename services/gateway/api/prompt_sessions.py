"""Sessions of hosted pages: an address for one browser, good once."""

import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.gateway.api.announcing import answered, once
from services.gateway.api.answers import PromptSession
from services.gateway.api.auth import KeyScope, forbids
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.prompt_bodies import PromptSessionBody
from services.gateway.problems import Fault, HttpCode, Problem
from services.gateway.prompt.kinds import SERVED, PromptKind
from services.gateway.prompt.sessions import PATH_OPEN
from services.gateway.queries import prompt_sessions
from services.gateway.queries.tenants import load_tenant
from shared.contracts.commands import ReadChallenge
from shared.contracts.replies import ChallengeView, RefusalCode
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import ChallengeId, ChallengeState, Purpose
from shared.crypto.digests import token_digest
from shared.db.connection import Connection
from shared.ids import new_id
from shared.messaging.unit_of_work import UnitOfWork

_SIGNED_IN_BY = frozenset({Purpose.SIGN_IN, Purpose.STEP_UP})
_TOKEN_BYTES = 32
_NOT_ALLOWED = Problem(
    code=HttpCode.RETURN_URL_NOT_ALLOWED,
    faults=(Fault(pointer="/return_url", code="not_allowed", detail="Not among the tenant's `return_urls`."),),
)


async def create(call: Call[PromptSessionBody, Nothing]) -> Outcome:
    """An address that opens the page; the person comes back to `return_url`. Asked again with the same key it is the
    same address, which a browser may have used meanwhile.
    """
    before = await answered(call)
    if before is not None:
        return before
    problem = await _hindrance(call)
    if problem is not None:
        return problem
    body = call.body
    challenge_id = ChallengeId(body.challenge_id) if body.challenge_id is not None else None

    async def decide(uow: UnitOfWork) -> Outcome:
        made = await begin_session(
            call,
            uow.conn,
            kind=body.kind,
            account_id=body.account_id,
            challenge_id=challenge_id,
            return_url=body.return_url,
            state=body.state,
        )
        return Said(made.model_dump(mode="json"))

    return await once(call, decide)


async def begin_session(
    call: Call[Any, Any],
    conn: Connection,
    *,
    kind: PromptKind,
    account_id: str,
    challenge_id: ChallengeId | None,
    return_url: str,
    state: str | None,
) -> PromptSession:
    """A session that waits for its browser; the caller has checked all that it is made of."""
    session = prompt_sessions.PromptSession(
        tenant_id=call.tenant_id,
        session_id=new_id(),
        kind=kind.value,
        account_id=account_id,
        challenge_id=challenge_id,
        return_url=return_url,
        state=state,
    )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    expires_at = await prompt_sessions.insert_session(conn, session, token_digest(token))
    return PromptSession(
        id=session.session_id,
        kind=kind,
        url=_url(call, session.session_id, token),
        expires_at=expires_at,
    )


async def refuses_return(call: Call[Any, Any], return_url: str) -> Problem | None:
    """The problem of an address that the tenant did not name beforehand: whoever may start a login could else send the
    person, and the code, anywhere.
    """
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        tenant = await load_tenant(conn, call.tenant_id)
    allowed = TenantSettings.model_validate(tenant.settings).return_urls
    return None if return_url in allowed else _NOT_ALLOWED


async def _hindrance(call: Call[PromptSessionBody, Nothing]) -> Problem | None:
    problem = await refuses_return(call, call.body.return_url)
    if problem is not None:
        return problem
    if call.body.kind not in SERVED:
        return Problem(code=HttpCode.PROMPT_KIND_NOT_SERVED)
    if call.body.challenge_id is None:
        return _lacks_scope(call)
    reading = replace(call, key=None)  # the key is the request's own
    found = await reading.ask(ReadChallenge(challenge_id=ChallengeId(call.body.challenge_id)))
    if isinstance(found, Problem):
        return found
    view = ChallengeView.model_validate(found.data)
    if view.account_id != call.body.account_id:
        return Problem(code=RefusalCode.CHALLENGE_NOT_FOUND)
    if call.body.kind is PromptKind.ENROL and view.purpose is not Purpose.ENROLMENT:
        return _lacks_scope(call)  # a proof: whether it is one, is judged when the enrolment begins
    fitting = _SIGNED_IN_BY if call.body.kind is PromptKind.SIGN_IN else {Purpose.ENROLMENT}
    return _not_answerable(view) if view.purpose in fitting else Problem(code=RefusalCode.CHALLENGE_NOT_FOUND)


def _lacks_scope(call: Call[PromptSessionBody, Nothing]) -> Problem | None:
    """Without a login that asks for it, a page that enrols does what a key for factors does."""
    if call.body.kind is not PromptKind.ENROL:
        return None
    return forbids((KeyScope.FACTORS_WRITE,), call.caller)


def _not_answerable(view: ChallengeView) -> Problem | None:
    """Why the challenge can be answered on no page; None: it can."""
    match view.state:
        case ChallengeState.OPEN:
            return None
        case ChallengeState.EXPIRED:
            return Problem(code=RefusalCode.CHALLENGE_EXPIRED)
        case ChallengeState.EXHAUSTED:
            return Problem(code=RefusalCode.CHALLENGE_EXHAUSTED)
        case ChallengeState.VERIFIED | ChallengeState.REDEEMED | ChallengeState.CANCELLED:
            return Problem(code=RefusalCode.CHALLENGE_NOT_OPEN)


def _url(call: Call[Any, Any], session_id: UUID, token: str) -> str:
    base = f"{call.deps.settings.public_url}{PATH_OPEN}"
    return f"{base}?tenant={call.tenant_id}&session={session_id}&token={token}"
