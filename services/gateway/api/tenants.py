"""The tenant itself, as its key sees it. The gateway owns it and asks nobody."""

from services.gateway.api.acting import may_not_act_at_large
from services.gateway.api.announcing import announce, event_of
from services.gateway.api.answers import Tenant
from services.gateway.api.bodies import TenantBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.problems import Problem
from services.gateway.queries.tenants import TenantRow, load_tenant, lock_tenant, update_tenant
from shared.contracts.events import TenantChanged
from shared.contracts.tenant import TenantSettings
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import is_trust_changed


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
        changed = tuple(
            name for name in TenantSettings.model_fields if getattr(before, name) != getattr(settings, name)
        ) + (("name",) if row.name != call.body.name else ())
        if (problem := await _may_not(call, uow, changed)) is not None:
            return problem
        if changed:
            await update_tenant(uow.conn, call.tenant_id, call.body.name, settings.model_dump(mode="json"))
            said = TenantChanged(
                changed=changed, admin_proof=settings.admin_proof if "admin_proof" in changed else None
            )
            uow.publish(await event_of(call, uow, said, admin=call.body.actor))
    return Said(_shown(row, call.body.name, settings))


async def _may_not(call: Call[TenantBody, Nothing], uow: UnitOfWork, changed: tuple[str, ...]) -> Problem | None:
    """Whoever stole a key that is held back by `admin_proof` must not switch that off first, nor a page for a new
    colour that leaves it out. Judged by what is stored, with the tenant's row locked.
    """
    acting = call.body.acting()
    if acting is None and not is_trust_changed(changed):
        return None
    return await may_not_act_at_large(call, uow, acting)


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
