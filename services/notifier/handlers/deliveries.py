"""Commands become rows; nothing is sent here, because a provider is never called inside a transaction."""

from collections.abc import Sequence

from services.notifier.deps import Deps
from services.notifier.queries import deliveries
from shared.contracts.commands import ReadDeliveries, ReadDeliveriesOfAccount, SendEmail, SendSms
from shared.contracts.envelope import Envelope
from shared.contracts.replies import DeliveriesView, SentDeliveries
from shared.db.account_lock import share_accounts
from shared.messaging.outcome import Done, ListOutcome, Ok, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def queue(
    commands: Sequence[Envelope[SendEmail] | Envelope[SendSms]], uow: UnitOfWork, deps: Deps
) -> Sequence[ListOutcome]:
    """Queue one delivery a command, and wake the channel's dispatcher.

    The accounts stay as they are meanwhile: a delivery that was queued while its account is erased would stay behind.
    """
    named = [(command.tenant_id, command.account_id) for command in commands if command.account_id is not None]
    await share_accounts(uow.conn, named)
    await deliveries.queue_deliveries(uow.conn, commands)
    for channel in {command.data.channel for command in commands}:
        uow.after_commit(deps.wake[channel].set)
    return [Done() for _ in commands]


async def read_deliveries(request: Envelope[ReadDeliveries], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """What was sent for a challenge, and what became of it."""
    found = await deliveries.deliveries_of_challenge(uow.conn, request.tenant_id, request.data.challenge_id)
    return Ok(DeliveriesView(deliveries=tuple(found)))


async def read_deliveries_of_account(
    request: Envelope[ReadDeliveriesOfAccount], uow: UnitOfWork, _deps: Deps
) -> Outcome:
    """What was sent to an account, as long as it is kept."""
    found = await deliveries.deliveries_of_account(uow.conn, request.tenant_id, request.account_id or "")
    return Ok(SentDeliveries(deliveries=tuple(found)))
