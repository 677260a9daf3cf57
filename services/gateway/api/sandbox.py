"""What only a sandbox tenant has: a clock that can be moved, and messages that can be read."""

from uuid import UUID

from services.gateway.api.bodies import ClockBody, MessagesQuery
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page, position_of
from services.gateway.problems import Problem, invalid
from shared.contracts.commands import MoveClock, ReadSandboxMessages
from shared.contracts.replies import RefusalCode, SandboxMessages
from shared.contracts.types import DeliveryId


async def move_clock(call: Call[ClockBody, Nothing]) -> Outcome:
    """Forward only; what falls due is done."""
    if not call.caller.is_sandbox:
        return Problem(code=RefusalCode.NOT_A_SANDBOX)
    return await call.ask(MoveClock(advance_seconds=call.body.advance_seconds))


async def messages(call: Call[Nothing, MessagesQuery]) -> Outcome:
    """What people would have got, codes in clear, oldest first."""
    if not call.caller.is_sandbox:
        return Problem(code=RefusalCode.NOT_A_SANDBOX)
    after = _position(call.query.cursor)
    if isinstance(after, Problem):
        return after
    said = await call.ask(ReadSandboxMessages(account_id=call.query.account_id, after=after, limit=call.query.limit))
    if isinstance(said, Problem):
        return said
    found = SandboxMessages.model_validate(dict(said.data)).messages
    return Said(page(said.data["messages"], has_more=bool(said.data["has_more"]), last=found[-1].id if found else None))


def _position(cursor: str | None) -> DeliveryId | Problem | None:
    if cursor is None:
        return None
    try:
        return DeliveryId(UUID(position_of(cursor) or ""))
    except ValueError:
        return invalid("/cursor", "cursor", "Not a cursor of this list.")
