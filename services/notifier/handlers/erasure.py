"""An account has left: nothing more is sent to it, and what was sent is forgotten."""

from services.notifier.announcements import SOURCE
from services.notifier.deps import Deps
from services.notifier.queries.erasures import delete_deliveries, delete_sandbox_messages
from shared.contracts.commands import ConcludeErasure
from shared.contracts.envelope import Envelope
from shared.contracts.events import AccountErased
from shared.contracts.types import Keeper
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def erase_account(told: Envelope[AccountErased], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Deliveries and sandbox messages of the erased one; those of a new account of the same id stay."""
    account_id = told.account_id or ""
    await delete_deliveries(uow.conn, told.tenant_id, account_id)
    await delete_sandbox_messages(uow.conn, told.tenant_id, account_id)
    done = ConcludeErasure(erasure_id=told.data.erasure_id, keeper=Keeper.NOTIFIER)
    uow.publish(told.follow(done, source=SOURCE, at=told.time))
    return Done()
