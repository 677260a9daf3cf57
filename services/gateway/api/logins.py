"""Logins, and the challenges that they bring."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from uuid import UUID

from services.gateway.api import recoveries
from services.gateway.api.bodies import Empty, LoginBody, SendBody, VerifyBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.prompt_bodies import RedeemBody
from services.gateway.api.prompt_sessions import begin_session, refuses_return
from services.gateway.api.translation import start_login
from services.gateway.problems import Problem
from services.gateway.prompt.kinds import PromptKind
from shared.contracts.commands import (
    CancelChallenge,
    ReadChallenge,
    ReadDeliveries,
    RedeemChallenge,
    SendCode,
    VerifyCode,
)
from shared.contracts.replies import LoginAnswer
from shared.contracts.types import ChallengeId, Decision, FactorId, RecoveryId
from shared.messaging.bus import NoReply, Unavailable

_DELIVERIES_WITHIN = dt.timedelta(seconds=0.5)  # a slow notifier keeps nobody from seeing their challenge

_PAGES: Mapping[Decision, PromptKind] = {
    Decision.CHALLENGE: PromptKind.SIGN_IN,
    Decision.ENROL: PromptKind.ENROL,
    Decision.ENROL_OPTIONAL: PromptKind.ENROL,
    Decision.LOCKED_OUT: PromptKind.ENROL,  # where enrolling is the way out: there is a challenge then
}


async def start(call: Call[LoginBody, Nothing]) -> Outcome:
    """Whether this account may in. With `return_url`, a decision that needs a page comes with its address.

    `challenge`: verify it, and let the account in. `enrol` and `enrol_optional`: begin an enrolment with the id of
    `challenge` as `proof`; the confirmation answers with the assertion that completes this login. Where that challenge
    offers the mailbox among its `factors`, send its code and verify it first. `locked_out` with a challenge: likewise.
    Without one, an admin's unlock or reset helps.
    """
    if call.body.return_url is not None:
        problem = await refuses_return(call, call.body.return_url)
        if problem is not None:
            return problem
    command = start_login(call.body, call.key)
    account_id = call.body.account_id
    if call.body.trusted_device_token is not None:
        sealed = call.seal_typed(account_id, "trusted_device_token", call.body.trusted_device_token)
        command = command.model_copy(update={"trusted_device_token": sealed})
    outcome = await call.ask(command, account_id=account_id)
    return await _with_page(call, outcome, call.body.return_url) if call.body.return_url is not None else outcome


async def _with_page(call: Call[LoginBody, Nothing], outcome: Outcome, return_url: str) -> Outcome:
    """Asked again with the same key, the decision is the first one and the address a new one: of two, one is used."""
    if isinstance(outcome, Problem):
        return outcome
    answer = LoginAnswer.model_validate(outcome.data)
    if answer.decision not in _PAGES or answer.challenge is None:
        return Said({**outcome.data, "prompt_url": None})
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        made = await begin_session(
            call,
            conn,
            kind=_PAGES[answer.decision],
            account_id=call.body.account_id,
            challenge_id=answer.challenge.id,
            return_url=return_url,
            state=call.body.state,
        )
    return Said({**outcome.data, "prompt_url": made.url})


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """How a challenge stands, and how its codes fare on their way."""
    challenge, deliveries = await asyncio.gather(
        call.ask(ReadChallenge(challenge_id=ChallengeId(call.id("challenge_id")))), _deliveries(call)
    )
    match challenge:
        case Said(data):
            return Said({**data, "deliveries": deliveries})
        case Problem():
            return challenge


async def _deliveries(call: Call[Nothing, Nothing]) -> object:
    command = ReadDeliveries(challenge_id=ChallengeId(call.id("challenge_id")))
    try:
        said = await call.ask(command, at_most=_DELIVERIES_WITHIN)
    except (NoReply, Unavailable):
        return None
    return said.data.get("deliveries") if isinstance(said, Said) else None


async def send(call: Call[SendBody, Nothing]) -> Outcome:
    """Send a code, or another one."""
    factor_id = FactorId(call.body.factor_id) if call.body.factor_id else None
    return await call.ask(SendCode(challenge_id=ChallengeId(call.id("challenge_id")), factor_id=factor_id))


async def verify(call: Call[VerifyBody, Nothing]) -> Outcome:
    """Whether what was typed is right. Of a recovery's code, the answer says when the second factor goes off."""
    record = call.path["challenge_id"].lower()
    sealed = {
        name: call.seal_typed(record, "code", value.strip()) for name, value in call.body.typed() if value is not None
    }
    command = VerifyCode(
        request=call.key,
        challenge_id=ChallengeId(call.id("challenge_id")),
        factor_id=FactorId(call.body.factor_id) if call.body.factor_id else None,
        code=sealed.get("code"),
        backup_code=sealed.get("backup_code"),
        recovery_key=sealed.get("recovery_key"),
        recovery_code=sealed.get("recovery_code"),
        trust_device=call.body.trust_device,
        context=call.body.context.value(),
    )
    outcome = await call.ask(command)
    if isinstance(outcome, Problem) or outcome.data.get("recovery_id") is None:
        return outcome
    ready_at = await recoveries.ready_at(call, RecoveryId(UUID(str(outcome.data["recovery_id"]))))
    return Said({**outcome.data, "ready_at": ready_at})


async def redeem(call: Call[RedeemBody, Nothing]) -> Outcome:
    """The assertion of a challenge that was passed on a hosted page."""
    challenge_id = ChallengeId(call.body.challenge_id)
    code = call.seal_typed(str(challenge_id), "redeem_code", call.body.code)
    return await call.ask(RedeemChallenge(challenge_id=challenge_id, code=code))


async def cancel(call: Call[Empty, Nothing]) -> Outcome:
    """The person turned back."""
    return await call.ask(CancelChallenge(challenge_id=ChallengeId(call.id("challenge_id"))))
