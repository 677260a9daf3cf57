"""What follows an attempt: the row, the events, and in a sandbox the message itself, in one transaction."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Final

from services.notifier import announcements
from services.notifier.deps import Deps
from services.notifier.domain.attempt import Again, Attempt, Expired, Failed, NextStep, Sent, after_attempt
from services.notifier.domain.delivery import Unknown
from services.notifier.queries import outcomes
from services.notifier.queries.deliveries import Claimed, Delivery, claim_expired_leases
from services.notifier.queries.sandbox import SandboxRow, keep_message
from services.notifier.queries.tenants import tenant_now
from shared.contracts.types import DeliveryState
from shared.crypto.sealing import sandbox_place, seal_bytes
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import UnitOfWork, outbox_row
from shared.observability.metrics import DELIVERIES

SWEEP_BATCH: Final = 100

Content = Mapping[str, str | None]
"""What was sent, in words."""


async def write_down(claimed: Claimed, step: NextStep, content: Content | None, deps: Deps) -> None:
    """Store and announce what follows; ``content`` is what was sent."""
    delivery = claimed.delivery
    async with deps.database.transaction([delivery.tenant_id]) as conn:
        uow = UnitOfWork(conn)
        now = await tenant_now(conn, delivery.tenant_id)
        await _record(uow, delivery, step, now)
        if claimed.is_sandbox and isinstance(step, Sent) and content is not None:
            await keep_message(conn, _sandbox_row(delivery, content, now, deps))
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    DELIVERIES.labels(channel=delivery.channel.value, outcome=type(step).__name__.lower()).inc()


async def release_expired(deps: Deps) -> bool:
    """A duty: deliveries whose lease ended are unknown outcomes. Returns whether there may be more."""
    async with deps.database.transaction(work_queues=True) as conn:
        found = await claim_expired_leases(conn, limit=SWEEP_BATCH)
        uow = UnitOfWork(conn)
        for delivery, now in found:
            attempt = Attempt(attempts=delivery.attempts, unknowns=delivery.unknowns)
            await _record(uow, delivery, after_attempt(attempt, Unknown(reason="lease_ended")), now)
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    return len(found) == SWEEP_BATCH


async def _record(uow: UnitOfWork, delivery: Delivery, step: NextStep, now: dt.datetime) -> None:
    """Nothing is stored or said when the lease ended meanwhile: somebody else has judged this attempt."""
    if isinstance(step, Again | Failed) and step.is_unknown:
        received = await outcomes.record_received(uow.conn, delivery)
        if received is not None:
            _announce_sent(uow, delivery, received, now)
            return
    match step:
        case Sent(provider_id=provider_id):
            state = await outcomes.record_sent(uow.conn, delivery, provider_id=provider_id)
            _announce_sent(uow, delivery, state, now)
        case Again(delay=delay, reason=reason, is_unknown=is_unknown, is_counted=is_counted):
            await outcomes.record_again(
                uow.conn, delivery, delay=delay, reason=reason, is_unknown=is_unknown, is_counted=is_counted
            )
        case Failed(reason=reason, is_unknown=is_unknown):
            ended = DeliveryState.UNKNOWN if is_unknown else DeliveryState.REFUSED
            if await outcomes.record_ended(uow.conn, delivery, state=ended, reason=reason):
                uow.publish(announcements.undeliverable(delivery, reason, now))
        case Expired():
            if await outcomes.record_ended(uow.conn, delivery, state=DeliveryState.EXPIRED, reason=None):
                uow.publish(announcements.expired(delivery, now))


def _announce_sent(uow: UnitOfWork, delivery: Delivery, state: DeliveryState | None, now: dt.datetime) -> None:
    """A receipt that was faster than we were is announced with it."""
    if state is not None:
        uow.publish(announcements.sent(delivery, now))
    if state is DeliveryState.DELIVERED:
        uow.publish(announcements.delivered(delivery, now))
    elif state is DeliveryState.UNDELIVERABLE:
        uow.publish(announcements.undeliverable(delivery, "receipt", now))


def _sandbox_row(delivery: Delivery, content: Content, now: dt.datetime, deps: Deps) -> SandboxRow:
    place = sandbox_place(delivery.tenant_id, delivery.account_id, delivery.delivery_id)
    return SandboxRow(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.delivery_id,
        account_id=delivery.account_id,
        channel=delivery.channel.value,
        notification=delivery.notification,
        content=seal_bytes(deps.seal, json.dumps(content).encode(), place),
        sent_at=now,
    )
