"""A lost device: ask for recovery, look, stop it."""

from services.gateway.api.bodies import CancelRecoveryBody, DenyRecoveryBody, RecoveryBody
from services.gateway.api.call import Call, Nothing, Outcome
from shared.contracts.commands import CancelRecovery, DenyRecovery, ReadRecovery, StartRecovery
from shared.contracts.types import RecoveryId


async def start(call: Call[RecoveryBody, Nothing]) -> Outcome:
    """Open a request, or return the one that is open."""
    return await call.ask(StartRecovery(context=call.body.context.value()), account_id=call.account_id)


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """The newest request."""
    return await call.ask(ReadRecovery(), account_id=call.account_id)


async def cancel(call: Call[CancelRecoveryBody, Nothing]) -> Outcome:
    """The person, signed in, or an admin stops it."""
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
