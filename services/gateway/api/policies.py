"""The tenant's policy."""

from services.gateway.api.call import Call, Nothing, Outcome
from services.gateway.api.policy_bodies import PolicyBody, PreviewBody
from shared.contracts.commands import PreviewPolicy, PutPolicy, ReadPolicy


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """As it is now."""
    return await call.ask(ReadPolicy())


async def preview(call: Call[PreviewBody, Nothing]) -> Outcome:
    """Nothing is saved, and nobody is told. The rule is the one that decides after saving."""
    body = call.body
    command = PreviewPolicy(policy=body.policy.policy(), acting=body.acting(), is_immediate=body.immediately)
    return await call.ask(command, actor=body.actor)


async def put(call: Call[PolicyBody, Nothing]) -> Outcome:
    """Replace it."""
    body = call.body
    command = PutPolicy(policy=body.policy(), acting=body.acting(), is_forced=body.force, is_immediate=body.immediately)
    return await call.ask(command, actor=body.actor)
