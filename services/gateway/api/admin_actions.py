"""What an admin does to the second factor of somebody else's account."""

from services.gateway.api.admin_bodies import RecoveryCodeBody, ResetBody
from services.gateway.api.call import Call, Nothing, Outcome
from shared.contracts.commands import MakeRecoveryCode, ResetAccount


async def reset(call: Call[ResetBody, Nothing]) -> Outcome:
    """Take all factors off."""
    command = ResetAccount(reason=call.body.reason, acting=call.body.acting())
    return await call.ask(command, account_id=call.account_id, actor=call.body.actor)


async def make_recovery_code(call: Call[RecoveryCodeBody, Nothing]) -> Outcome:
    """A code to read out."""
    body = call.body
    command = MakeRecoveryCode(reason=body.reason, minutes=body.minutes, acting=body.acting())
    return await call.ask(command, account_id=call.account_id, actor=body.actor)
