"""Whoever acts on the tenant as a whole: where its events go, says an admin."""

from services.notifier.deps import Deps
from shared.contracts.commands import CreateWebhookEndpoint, RotateWebhookSecret
from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def may_not_act_at_large(uow: UnitOfWork, message: Envelope[Message], acting: Acting | None) -> Refused | None:
    """Why it may not be done; None: it may. Where the tenant asks admins for a proof, somebody has to be named."""
    facts = await read_action_facts(uow.conn, message.tenant_id, "", acting)
    now = await tenant_now(uow.conn, message.tenant_id)
    hindrance = may_act(acting, facts, now, opens_account=False)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None


async def may_not_hear_again(
    asked: Envelope[CreateWebhookEndpoint] | Envelope[RotateWebhookSecret], uow: UnitOfWork, _deps: Deps
) -> Refused | None:
    """Why a webhook's secret is not shown a second time under the same Idempotency-Key: the actor may not any more."""
    return await may_not_act_at_large(uow, asked, asked.data.acting)
