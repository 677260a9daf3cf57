"""What a change of the tenant's settings means to its admins."""

from services.policy.deps import Deps
from services.policy.handlers.admins import tell_admins
from services.policy.handlers.case import open_case
from shared.contracts import events
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.tenant import AdminProof
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork

_BY_ADMIN = "admin:"


async def tenant_changed(message: Envelope[events.TenantChanged], uow: UnitOfWork, deps: Deps) -> Outcome:
    """From now on admins act without showing a second factor first: all of them hear of it, whoever switched it off,
    for whoever holds a key may act in their names.
    """
    if message.data.admin_proof is not AdminProof.OPTIONAL:
        return Done()
    case = await open_case(message, uow, deps)
    params: dict[str, object] = {"happened_at": message.time}
    if message.actor.startswith(_BY_ADMIN):
        params["admin"] = message.actor.removeprefix(_BY_ADMIN)
    await tell_admins(case, None, Notification.ADMIN_PROOF_OFF, params)
    return Done()
