"""What admins do that the gateway does itself, on the tenant as a whole: settings, keys."""

from typing import Any

from services.gateway.api.call import Call
from services.gateway.problems import Problem
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.db.tenant_time import tenant_now
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def may_not_act_at_large(call: Call[Any, Any], uow: UnitOfWork, acting: Acting | None) -> Problem | None:
    """Why it may not be done; None: it may. In the transaction that does it, by the rule of every service."""
    facts = await read_action_facts(uow.conn, call.tenant_id, "", acting)
    now = await tenant_now(uow.conn, call.tenant_id)
    hindrance = may_act(acting, facts, now, opens_account=False)
    return Problem(code=hindrance.code, detail=hindrance.detail) if hindrance is not None else None
