"""A lost device: ask for recovery, look, stop it."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.gateway.api.auth import KeyScope, forbids
from services.gateway.api.bodies import CancelRecoveryBody, DenyRecoveryBody, RecoveryBody, VerifyBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from shared.clock import host_now
from shared.contracts.commands import CancelRecovery, DenyRecovery, ReadChallenge, ReadRecovery, Request, StartRecovery
from shared.contracts.types import ChallengeId, RecoveryId
from shared.messaging.bus import NoReply, Unavailable

_PATIENCE = dt.timedelta(seconds=1)
_FIRST_PAUSE = 0.01  # seconds; doubled each time


async def start(call: Call[RecoveryBody, Nothing]) -> Outcome:
    """Open a request, or return the one that is open. Its challenge can be read and answered when this has answered."""
    outcome = await call.ask(StartRecovery(context=call.body.context.value()), account_id=call.account_id)
    if isinstance(outcome, Said) and outcome.data.get("challenge_id") is not None:
        await _until_there(call, ChallengeId(UUID(str(outcome.data["challenge_id"]))))
    return outcome


async def _until_there(call: Call[RecoveryBody, Nothing], challenge_id: ChallengeId) -> None:
    """Policy tells otp_worker of the challenge by a message: whoever has its id must not be told that there is none.

    Not for long: where otp_worker is away the request stands all the same, and the challenge comes when it is back.
    """
    await _until(call, ReadChallenge(challenge_id=challenge_id), lambda _: True)


async def ready_at(call: Call[VerifyBody, Nothing], recovery_id: RecoveryId) -> object:
    """When the recovery whose mailbox was just proved turns the second factor off; None: policy has not said so yet.

    It hears of the proof by a message, and sets the hour then.
    """
    found = await _until(call, ReadRecovery(recovery_id=recovery_id), lambda data: data.get("state") != "draft")
    return found.get("ready_at") if found is not None else None


async def _until(
    call: Call[Any, Nothing], question: Request, is_answer: Callable[[Mapping[str, object]], bool]
) -> Mapping[str, object] | None:
    """Ask again, for a second at most, until the answer is what a message on its way will make it."""
    reading = replace(call, key=None)  # the key is the request's own, and its answer is another one
    end, pause = host_now() + _PATIENCE, _FIRST_PAUSE
    while (left := end - host_now()) > dt.timedelta():
        try:
            found = await reading.ask(question, at_most=left)
        except (NoReply, Unavailable):
            return None
        if isinstance(found, Said) and is_answer(found.data):
            return found.data
        await asyncio.sleep(pause)
        pause *= 2
    return None


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """The newest request."""
    return await call.ask(ReadRecovery(), account_id=call.account_id)


async def cancel(call: Call[CancelRecoveryBody, Nothing]) -> Outcome:
    """The person, signed in, stops it (scope `logins`), or an admin who is named (scope `admin`)."""
    scope = KeyScope.LOGINS if call.body.actor is None else KeyScope.ADMIN
    if (problem := forbids((scope,), call.caller)) is not None:
        return problem
    command = CancelRecovery(
        recovery_id=RecoveryId(call.id("recovery_id")), is_attack=call.body.is_attack, acting=call.body.acting()
    )
    return await call.ask(command, account_id=call.account_id, actor=call.body.actor)


async def deny(call: Call[DenyRecoveryBody, Nothing]) -> Outcome:
    """An admin refuses it."""
    command = DenyRecovery(
        recovery_id=RecoveryId(call.id("recovery_id")), reason=call.body.reason, acting=call.body.acting()
    )
    return await call.ask(command, account_id=call.account_id, actor=call.body.actor)
