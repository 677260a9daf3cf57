"""Logins, and the challenges that they bring."""

import asyncio
import datetime as dt

from services.gateway.api.bodies import Empty, LoginBody, RedeemBody, SendBody, VerifyBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.translation import start_login
from services.gateway.problems import Problem
from shared.contracts.commands import (
    CancelChallenge,
    ReadChallenge,
    ReadDeliveries,
    RedeemChallenge,
    SendCode,
    VerifyCode,
)
from shared.contracts.types import ChallengeId, FactorId
from shared.messaging.bus import NoReply, Unavailable

_DELIVERIES_WITHIN = dt.timedelta(seconds=0.5)  # a slow notifier keeps nobody from seeing their challenge


async def start(call: Call[LoginBody, Nothing]) -> Outcome:
    """Whether this account may in."""
    command = start_login(call.body)
    account_id = call.body.account_id
    if call.body.trusted_device_token is not None:
        sealed = call.seal_typed(account_id, "trusted_device_token", call.body.trusted_device_token)
        command = command.model_copy(update={"trusted_device_token": sealed})
    return await call.ask(command, account_id=account_id)


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
    """Whether what was typed is right."""
    record = call.path["challenge_id"].lower()
    sealed = {
        name: call.seal_typed(record, "code", value.strip()) for name, value in call.body.typed() if value is not None
    }
    return await call.ask(
        VerifyCode(
            challenge_id=ChallengeId(call.id("challenge_id")),
            factor_id=FactorId(call.body.factor_id) if call.body.factor_id else None,
            code=sealed.get("code"),
            backup_code=sealed.get("backup_code"),
            recovery_key=sealed.get("recovery_key"),
            recovery_code=sealed.get("recovery_code"),
            trust_device=call.body.trust_device,
            context=call.body.context.value(),
        )
    )


async def redeem(call: Call[RedeemBody, Nothing]) -> Outcome:
    """The assertion of a challenge that was passed on a hosted page."""
    challenge_id = ChallengeId(call.body.challenge_id)
    code = call.seal_typed(str(challenge_id), "redeem_code", call.body.code)
    return await call.ask(RedeemChallenge(challenge_id=challenge_id, code=code))


async def cancel(call: Call[Empty, Nothing]) -> Outcome:
    """The person turned back."""
    return await call.ask(CancelChallenge(challenge_id=ChallengeId(call.id("challenge_id"))))
