"""What holds for one account alone, beside the policy."""

from services.gateway.api.call import Call, Nothing, Outcome
from services.gateway.api.policy_bodies import EnforcementBody, EnforcementQuery
from shared.contracts.commands import ChangeEnforcement, ClearEnforcement, ReadGate


async def change(call: Call[EnforcementBody, Nothing]) -> Outcome:
    """An admin requires or exempts the account, or gives it more time. The account is told on every channel."""
    body = call.body
    command = ChangeEnforcement(
        given=body.given(),
        required=body.required if "required" in body.given() else None,
        exempt_until=body.exempt_until,
        extended_until=body.extended_until,
        reason=body.reason,
        acting=body.acting(),
    )
    return await call.ask(command, account_id=call.account_id, actor=body.actor)


async def gate(call: Call[Nothing, Nothing]) -> Outcome:
    """Asked at each page of a session, so it may be kept for a minute. One that began before `sessions_valid_from`
    ends, and nobody goes on where `allowed` is false.
    """
    return await call.ask(ReadGate(), account_id=call.account_id)


async def clear(call: Call[Nothing, EnforcementQuery]) -> Outcome:
    """Nothing but the policy holds for the account again; an exemption or extension leaves a day's notice."""
    command = ClearEnforcement(reason=call.query.reason, acting=call.query.acting())
    return await call.ask(command, account_id=call.account_id, actor=call.query.actor)
