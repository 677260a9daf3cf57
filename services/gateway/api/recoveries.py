"""A lost device: ask for recovery, look, stop it."""

import asyncio
import datetime as dt
from dataclasses import replace
from uuid import UUID

from services.gateway.api.auth import KeyScope, forbids
from services.gateway.api.bodies import CancelRecoveryBody, DenyRecoveryBody, RecoveryBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from shared.clock import host_now
from shared.contracts.commands import CancelRecovery, DenyRecovery, ReadChallenge, ReadRecovery, StartRecovery
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
    reading = replace(call, key=None)  # the key is the request's own, and its answer is policy's
    end, pause = host_now() + _PATIENCE, _FIRST_PAUSE
    while (left := end - host_now()) > dt.timedelta():
        try:
            found = await reading.ask(ReadChallenge(challenge_id=challenge_id), at_most=left)
        except (NoReply, Unavailable):
            return
        if isinstance(found, Said):
            return
        await asyncio.sleep(pause)
        pause *= 2


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
