"""What follows an attempt to deliver an event: the delivery's row, the endpoint's, and the event about that."""

from typing import Final

from services.notifier import announcements
from services.notifier.deps import Deps
from services.notifier.domain.webhook import AfterPost, Delivered, GivenUp, Gone, Later, has_failed_for_long
from services.notifier.queries import webhook_deliveries, webhook_endpoints
from services.notifier.queries.webhook_deliveries import Webhook
from services.notifier.queries.webhook_endpoints import Failing
from shared.db.tenant_time import tenant_now
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import UnitOfWork, outbox_row
from shared.observability.metrics import DELIVERIES

SWEEP_BATCH: Final = 100


async def write_down(webhook: Webhook, step: AfterPost, deps: Deps) -> None:
    """Store what became of an attempt, in one transaction with what it means for the endpoint."""
    async with deps.database.transaction([webhook.tenant_id]) as conn:
        uow = UnitOfWork(conn)
        await _record(uow, webhook, step)
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            rows = await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    DELIVERIES.labels(channel="webhook", outcome=type(step).__name__.lower()).inc()


async def release_webhooks(deps: Deps) -> bool:
    """A duty: give back what dead processes held. Returns whether there may be more."""
    async with deps.database.transaction(work_queues=True) as conn:
        return await webhook_deliveries.release_leases(conn, limit=SWEEP_BATCH) == SWEEP_BATCH


async def _record(uow: UnitOfWork, webhook: Webhook, step: AfterPost) -> None:
    """The endpoint's row first, then the delivery's: everybody who writes both takes them in this order."""
    tenant_id, endpoint_id = webhook.tenant_id, webhook.endpoint_id
    if isinstance(step, Delivered):
        await webhook_endpoints.record_working(uow.conn, tenant_id, endpoint_id)
        await webhook_deliveries.record_delivered(uow.conn, webhook, status=step.status)
        return
    pause = step.pause if isinstance(step, Later) else None
    standing = await webhook_endpoints.record_failing(uow.conn, tenant_id, endpoint_id, pause=pause)
    if standing is None or not standing.is_enabled:
        reason = "endpoint_deleted" if standing is None else "endpoint_disabled"
        await webhook_deliveries.record_failed(uow.conn, webhook, reason=reason, status=step.status)
    else:
        await _record_failure(uow, webhook, step, standing)


async def _record_failure(uow: UnitOfWork, webhook: Webhook, step: Later | GivenUp | Gone, standing: Failing) -> None:
    match step:
        case Gone(status=status):
            await webhook_deliveries.record_failed(uow.conn, webhook, reason="gone", status=status)
            await _disable(uow, webhook, "gone")
        case _ if has_failed_for_long(standing.failing_for):
            await webhook_deliveries.record_failed(uow.conn, webhook, reason=step.reason, status=step.status)
            await _disable(uow, webhook, "failing")
        case GivenUp(reason=reason, status=status):
            await webhook_deliveries.record_failed(uow.conn, webhook, reason=reason, status=status)
        case Later(delay=delay, reason=reason, status=status):
            await webhook_deliveries.record_later(uow.conn, webhook, delay=delay, reason=reason, status=status)


async def _disable(uow: UnitOfWork, webhook: Webhook, reason: str) -> None:
    tenant_id, endpoint_id = webhook.tenant_id, webhook.endpoint_id
    if await webhook_endpoints.disable_endpoint(uow.conn, tenant_id, endpoint_id, reason=reason):
        await webhook_deliveries.end_waiting(uow.conn, tenant_id, endpoint_id, reason="endpoint_disabled")
        uow.publish(announcements.endpoint_disabled(webhook, reason, await tenant_now(uow.conn, tenant_id)))
