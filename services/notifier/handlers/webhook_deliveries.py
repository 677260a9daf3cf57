"""Every event becomes a row for each endpoint that wants it; nothing is sent here."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from services.notifier import announcements
from services.notifier.deps import Deps
from services.notifier.domain.webhook import takes
from services.notifier.queries import webhook_deliveries, webhook_endpoints, webhook_listeners
from services.notifier.queries.webhook_deliveries import NewDelivery
from shared.contracts.codec import text_of
from shared.contracts.commands import ReadWebhookDeliveries, RedeliverWebhook, TryWebhookEndpoint
from shared.contracts.envelope import Envelope, Event
from shared.contracts.replies import RefusalCode, WebhookDeliveries
from shared.db.connection import Connection
from shared.db.tenant_time import tenant_now
from shared.ids import new_id
from shared.messaging.outcome import Done, ListOutcome, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def somebody_listens(happened: Sequence[Envelope[Event]], conn: Connection) -> list[bool]:
    """Which of these an endpoint might take; most tenants have none."""
    filters = await webhook_listeners.filters(conn, sorted({event.tenant_id for event in happened}))
    return [any(takes(each, event.data.type) for each in filters.get(event.tenant_id, ())) for event in happened]


async def queue_events(happened: Sequence[Envelope[Event]], uow: UnitOfWork, deps: Deps) -> Sequence[ListOutcome]:
    """Queue each event for the endpoints whose filter takes it."""
    tenants = sorted({event.tenant_id for event in happened})
    listeners = await webhook_listeners.listeners(uow.conn, tenants)
    rows: list[NewDelivery] = []
    missed: Counter[tuple[UUID, UUID]] = Counter()
    for event in happened:
        for listener in listeners:
            if listener.tenant_id != event.tenant_id or not listener.wants(event.data.type, event.time):
                continue
            if listener.is_full:
                missed[listener.tenant_id, listener.endpoint_id] += 1
            else:
                rows.append(_row(event, listener.endpoint_id))
    for (tenant_id, endpoint_id), events in sorted(missed.items()):
        await webhook_listeners.count_missed(uow.conn, tenant_id, endpoint_id, events=events)
    if rows:
        await webhook_deliveries.queue_webhooks(uow.conn, rows)
        uow.after_commit(deps.webhook_wake.set)
    return [Done() for _ in happened]


async def try_endpoint(request: Envelope[TryWebhookEndpoint], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An event for this endpoint alone, on the way that every event takes from here."""
    tenant_id = request.tenant_id
    row = await webhook_endpoints.endpoint(uow.conn, tenant_id, request.data.endpoint_id)
    if row is None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)
    if row.disabled_at is not None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_DISABLED)

    trial = announcements.endpoint_tested(request, request.data.endpoint_id, await tenant_now(uow.conn, tenant_id))
    queued = _row(trial, row.endpoint_id)
    await webhook_deliveries.queue_webhooks(uow.conn, [queued])
    uow.after_commit(deps.webhook_wake.set)
    shown = await webhook_deliveries.delivery(uow.conn, tenant_id, queued.delivery_id)

    uow.publish(trial)
    return refuse(RefusalCode.INTERNAL_ERROR) if shown is None else Ok(shown)


async def read_deliveries(request: Envelope[ReadWebhookDeliveries], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """A page of what was sent to an endpoint."""
    asked, tenant_id = request.data, request.tenant_id
    if await webhook_endpoints.endpoint(uow.conn, tenant_id, asked.endpoint_id) is None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)
    rows = await webhook_deliveries.deliveries_of(
        uow.conn, tenant_id, asked.endpoint_id, state=asked.state, before=asked.before, limit=asked.limit + 1
    )
    return Ok(WebhookDeliveries(deliveries=tuple(rows[: asked.limit]), has_more=len(rows) > asked.limit))


async def redeliver(request: Envelope[RedeliverWebhook], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Send once more, as if it were new; the id stays, so that the receiver can tell."""
    tenant_id, delivery_id = request.tenant_id, request.data.delivery_id
    found = await webhook_deliveries.delivery(uow.conn, tenant_id, delivery_id)
    if found is None:
        return refuse(RefusalCode.WEBHOOK_DELIVERY_NOT_FOUND)
    row = await webhook_endpoints.endpoint(uow.conn, tenant_id, found.endpoint_id)
    if row is None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND)
    if row.disabled_at is not None:
        return refuse(RefusalCode.WEBHOOK_ENDPOINT_DISABLED)

    shown = await webhook_deliveries.redeliver(uow.conn, tenant_id, delivery_id)
    uow.after_commit(deps.webhook_wake.set)
    return Ok(shown or found)


def _row(event: Envelope[Event], endpoint_id: UUID) -> NewDelivery:
    """The body is the CloudEvent as every consumer gets it, and as the feed shows it."""
    return NewDelivery(
        tenant_id=event.tenant_id,
        endpoint_id=endpoint_id,
        event_id=event.id,
        delivery_id=new_id(),
        event_type=event.data.type,
        body=text_of(event),
    )
