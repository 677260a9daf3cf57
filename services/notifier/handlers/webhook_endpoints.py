"""Where a tenant hears of events: endpoints and their secrets."""

from services.notifier import announcements
from services.notifier.adapters.webhook_http import is_acceptable
from services.notifier.adapters.webhook_signing import new_webhook_secret
from services.notifier.deps import Deps
from services.notifier.domain.webhook import MAX_ENDPOINTS
from services.notifier.handlers.acting import may_not_act_at_large
from services.notifier.queries import webhook_deliveries, webhook_endpoints
from services.notifier.queries.tenants import find_tenant
from services.notifier.queries.webhook_endpoints import EndpointRow
from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    ReadWebhookEndpoints,
    Request,
    RotateWebhookSecret,
)
from shared.contracts.envelope import Envelope
from shared.contracts.replies import (
    DeletedWebhookEndpoint,
    NewWebhookEndpoint,
    RefusalCode,
    WebhookEndpoints,
    WebhookEndpointView,
)
from shared.contracts.types import EndpointId
from shared.crypto.sealing import BrokenSeal, seal, unseal, webhook_place
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.secret import Secret


async def create_endpoint(request: Envelope[CreateWebhookEndpoint], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A new endpoint with a secret of its own, shown in this answer only."""
    asked, tenant_id = request.data, request.tenant_id
    if (refused := await may_not_act_at_large(uow, request, asked.acting)) is not None:
        return refused
    if not await _may_have(asked.url, asked.endpoint_id, uow, request, deps):
        return refuse(RefusalCode.WEBHOOK_URL_REFUSED)
    await webhook_endpoints.lock_endpoints(uow.conn, tenant_id)
    if len(await webhook_endpoints.endpoints_of(uow.conn, tenant_id)) >= MAX_ENDPOINTS:
        return refuse(RefusalCode.TOO_MANY_WEBHOOK_ENDPOINTS)

    secret = new_webhook_secret()
    row = await webhook_endpoints.insert_endpoint(
        uow.conn,
        tenant_id,
        asked.endpoint_id,
        url=asked.url,
        description=asked.description,
        events=asked.events,
        secret=seal(deps.seal, secret, webhook_place(tenant_id, asked.endpoint_id, "secret")),
    )

    uow.publish(announcements.endpoint_created(request, asked.endpoint_id, await tenant_now(uow.conn, tenant_id)))
    return _with_secret(row, secret, deps)


async def read_endpoints(request: Envelope[ReadWebhookEndpoints], uow: UnitOfWork, deps: Deps) -> Outcome:
    """All of them, or the one that is asked for."""
    wanted = request.data.endpoint_id
    if wanted is None:
        found = await webhook_endpoints.endpoints_of(uow.conn, request.tenant_id)
        return Ok(WebhookEndpoints(endpoints=tuple(_view(row, deps) for row in found)))
    row = await webhook_endpoints.endpoint(uow.conn, request.tenant_id, wanted)
    return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND) if row is None else Ok(_view(row, deps))


async def change_endpoint(request: Envelope[ChangeWebhookEndpoint], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Another address, filter or description; off, or on again."""
    asked, tenant_id = request.data, request.tenant_id
    if (refused := await may_not_act_at_large(uow, request, asked.acting)) is not None:
        return refused
    if asked.url is not None and not await _may_have(asked.url, asked.endpoint_id, uow, request, deps):
        return refuse(RefusalCode.WEBHOOK_URL_REFUSED)
    row = await webhook_endpoints.change_endpoint(
        uow.conn, tenant_id, asked.endpoint_id, url=asked.url, description=asked.description, events=asked.events
    )
    if row is None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)

    changed = [name for name in ("url", "description", "events") if getattr(asked, name) is not None]
    if await _switched(asked, uow, request):
        changed.append("enabled")
    if changed:
        uow.publish(
            announcements.endpoint_changed(request, asked.endpoint_id, changed, await tenant_now(uow.conn, tenant_id))
        )
    now_so = await webhook_endpoints.endpoint(uow.conn, tenant_id, asked.endpoint_id)
    return Ok(_view(now_so or row, deps))


async def _switched(asked: ChangeWebhookEndpoint, uow: UnitOfWork, request: Envelope[ChangeWebhookEndpoint]) -> bool:
    match asked.enabled:
        case None:
            return False
        case True:
            return await webhook_endpoints.enable_endpoint(uow.conn, request.tenant_id, asked.endpoint_id)
        case False:
            is_off = await webhook_endpoints.disable_endpoint(
                uow.conn, request.tenant_id, asked.endpoint_id, reason="requested"
            )
            if is_off:
                await webhook_deliveries.end_waiting(
                    uow.conn, request.tenant_id, asked.endpoint_id, reason="endpoint_disabled"
                )
            return is_off


async def delete_endpoint(request: Envelope[DeleteWebhookEndpoint], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Forget an endpoint and its secret."""
    endpoint_id, tenant_id = request.data.endpoint_id, request.tenant_id
    if (refused := await may_not_act_at_large(uow, request, request.data.acting)) is not None:
        return refused
    if not await webhook_endpoints.delete_endpoint(uow.conn, tenant_id, endpoint_id):
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)
    await webhook_deliveries.end_waiting(uow.conn, tenant_id, endpoint_id, reason="endpoint_deleted")

    uow.publish(announcements.endpoint_deleted(request, endpoint_id, await tenant_now(uow.conn, tenant_id)))
    return Ok(DeletedWebhookEndpoint(id=endpoint_id))


async def rotate_secret(request: Envelope[RotateWebhookSecret], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A new secret; both sign for a day, so that the receiver can change over without losing an event."""
    endpoint_id, tenant_id = request.data.endpoint_id, request.tenant_id
    if (refused := await may_not_act_at_large(uow, request, request.data.acting)) is not None:
        return refused
    secret = new_webhook_secret()
    sealed = seal(deps.seal, secret, webhook_place(tenant_id, endpoint_id, "secret"))
    row = await webhook_endpoints.rotate_secret(uow.conn, tenant_id, endpoint_id, secret=sealed)
    if row is None or row.previous_until is None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)

    uow.publish(
        announcements.secret_rotated(request, endpoint_id, row.previous_until, await tenant_now(uow.conn, tenant_id))
    )
    return _with_secret(row, secret, deps)


async def _may_have(url: str, endpoint_id: EndpointId, uow: UnitOfWork, request: Envelope[Request], deps: Deps) -> bool:
    """Whether the address is one that we send to. What was sealed for another place is none."""
    tenant = await find_tenant(uow.conn, request.tenant_id)
    try:
        opened = unseal(deps.seal, url, webhook_place(request.tenant_id, endpoint_id, "url"))
    except (BrokenSeal, UnicodeDecodeError):
        return False
    is_local = tenant is not None and deps.posters.of(is_sandbox=tenant.is_sandbox).is_local
    return is_acceptable(opened.reveal(), is_local=is_local)


def _with_secret(row: EndpointRow, secret: Secret[str], deps: Deps) -> Ok:
    shown = NewWebhookEndpoint(**_view(row, deps).model_dump(), secret=secret.reveal())
    return Ok(shown, holds_secret=True)


def _view(row: EndpointRow, deps: Deps) -> WebhookEndpointView:
    return WebhookEndpointView(
        id=EndpointId(row.endpoint_id),
        url=unseal(deps.seal, row.url, webhook_place(row.tenant_id, row.endpoint_id, "url")).reveal(),
        description=row.description,
        events=tuple(row.events),
        enabled=row.disabled_at is None,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        missed=row.missed,
        previous_secret_until=row.previous_until,
        created_at=row.created_at,
    )
