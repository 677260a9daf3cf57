"""The tenant's policy."""

from services.gateway.api.bodies import PolicyBody
from services.gateway.api.call import Call, Nothing, Outcome
from shared.contracts.commands import PutPolicy, ReadPolicy


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """As it is now."""
    return await call.ask(ReadPolicy())


async def put(call: Call[PolicyBody, Nothing]) -> Outcome:
    """Replace it."""
    return await call.ask(PutPolicy(policy=call.body.policy()), actor=call.body.actor)
