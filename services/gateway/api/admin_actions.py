"""What an admin does to the second factor of somebody else's account."""

from services.gateway.api.admin_bodies import ResetBody
from services.gateway.api.call import Call, Nothing, Outcome
from shared.contracts.commands import ResetAccount


async def reset(call: Call[ResetBody, Nothing]) -> Outcome:
    """Take all factors off."""
    command = ResetAccount(reason=call.body.reason, acting=call.body.acting())
    return await call.ask(command, account_id=call.account_id, actor=call.body.actor)
