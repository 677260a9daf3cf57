"""The tenant's policy."""

from services.gateway.api.call import Call, Nothing, Outcome
from services.gateway.api.policy_bodies import PolicyBody
from shared.contracts.commands import PutPolicy, ReadPolicy


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """As it is now."""
    return await call.ask(ReadPolicy())


async def put(call: Call[PolicyBody, Nothing]) -> Outcome:
    """Replace it."""
    body = call.body
    command = PutPolicy(policy=body.policy(), acting=body.acting(), is_forced=body.force, is_immediate=body.immediately)
    return await call.ask(command, actor=body.actor)
