"""Who is named as acting on the tenant as a whole, and on no account of it."""

import datetime as dt

from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def no_admin(
    uow: UnitOfWork, message: Envelope[Message], acting: Acting | None, now: dt.datetime
) -> Refused | None:
    """Why whoever is named may not; None: they may, or nobody is. They have to be an admin, and may be in what it is
    about: a policy, a list of accounts.
    """
    if acting is None:
        return None
    facts = await read_action_facts(uow.conn, message.tenant_id, "", acting)
    hindrance = may_act(acting, facts, now, opens_account=False)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None
