"""The tenant itself, as its key sees it. The gateway owns it and asks nobody."""

import dataclasses

from services.gateway.api.announcing import announce, event_of
from services.gateway.api.answers import Tenant
from services.gateway.api.bodies import TenantBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.problems import Problem
from services.gateway.queries.tenants import TenantRow, load_tenant, lock_tenant, tenant_now, update_tenant
from shared.contracts.events import TenantChanged
from shared.contracts.tenant import AdminProof, TenantSettings
from shared.db.admin_action import read_action_facts
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """Name and settings."""
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        row = await load_tenant(conn, call.tenant_id)
    return Said(_shown(row, row.name, TenantSettings.model_validate(row.settings)))


async def put(call: Call[TenantBody, Nothing]) -> Outcome:
    """Replace name and settings."""
    settings = TenantSettings.model_validate(call.body.model_dump(include=set(TenantSettings.model_fields)))
    async with announce(call) as uow:
        row = await lock_tenant(uow.conn, call.tenant_id)
        before = TenantSettings.model_validate(row.settings)
        if (problem := await _may_not(call, uow, before, settings)) is not None:
            return problem
        changed = tuple(
            name for name in TenantSettings.model_fields if getattr(before, name) != getattr(settings, name)
        ) + (("name",) if row.name != call.body.name else ())
        if changed:
            await _store(call, uow, settings, changed)
    return Said(_shown(row, call.body.name, settings))


async def _may_not(
    call: Call[TenantBody, Nothing], uow: UnitOfWork, before: TenantSettings, after: TenantSettings
) -> Problem | None:
    """Whoever stole a key that is held back by `admin_proof` must not switch that off first, nor a page for a new
    colour that leaves it out. Judged like what an admin does to an account, with the tenant's row locked.
    """
    acting = call.body.acting()
    is_loosened = before.admin_proof is AdminProof.REQUIRED and after.admin_proof is not AdminProof.REQUIRED
    if acting is None and not is_loosened:
        return None
    facts = await read_action_facts(uow.conn, call.tenant_id, "", acting)
    now = await tenant_now(uow.conn, call.tenant_id)
    hindrance = may_act(acting, facts, now, opens_account=False)
    return Problem(code=hindrance.code, detail=hindrance.detail) if hindrance is not None else None


async def _store(
    call: Call[TenantBody, Nothing], uow: UnitOfWork, settings: TenantSettings, changed: tuple[str, ...]
) -> None:
    await update_tenant(uow.conn, call.tenant_id, call.body.name, settings.model_dump(mode="json"))
    said = await event_of(call, uow, TenantChanged(changed=changed))
    uow.publish(dataclasses.replace(said, actor=f"admin:{call.body.actor}") if call.body.actor else said)


def _shown(row: TenantRow, name: str, settings: TenantSettings) -> dict[str, object]:
    shown = Tenant.model_validate(
        {
            **settings.model_dump(),
            "id": row.tenant_id,
            "name": name,
            "is_sandbox": row.is_sandbox,
            "created_at": row.created_at,
        }
    )
    return shown.model_dump(mode="json")
