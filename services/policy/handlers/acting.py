"""Whoever acts on the tenant as a whole, and on no account of it."""

import datetime as dt

from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def may_not_act_at_large(
    uow: UnitOfWork, message: Envelope[Message], acting: Acting | None, now: dt.datetime
) -> Refused | None:
    """Why it may not be done; None: it may. Where the tenant asks admins for a proof, somebody has to be named. They
    may themselves be in what it is about: a policy, a list of accounts.
    """
    facts = await read_action_facts(uow.conn, message.tenant_id, "", acting)
    hindrance = may_act(acting, facts, now, opens_account=False)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None
