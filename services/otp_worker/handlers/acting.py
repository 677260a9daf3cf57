"""May this admin do that to this account: the question that every admin's command begins with."""

from services.otp_worker.domain.account import Account
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def may_not_act(uow: UnitOfWork, account: Account, acting: Acting) -> Refused | None:
    """Why an admin may not open this account to somebody; None: they may."""
    facts = await read_action_facts(uow.conn, account.tenant_id, account.id, acting)
    hindrance = may_act(acting, facts, account.now, opens_account=True)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None
