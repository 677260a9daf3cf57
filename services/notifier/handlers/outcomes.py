"""What follows an attempt: the row, the events, and in a sandbox the message itself, in one transaction."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.notifier import announcements
from services.notifier.deps import Deps
from services.notifier.domain.attempt import Again, Attempt, Expired, Failed, NextStep, Sent, after_attempt
from services.notifier.domain.delivery import Unknown
from services.notifier.queries import outcomes
from services.notifier.queries.deliveries import Claimed, Delivery, claim_expired_leases
from services.notifier.queries.sandbox import SandboxRow, keep_messages
from shared.contracts.types import DeliveryState
from shared.crypto.sealing import sandbox_place, seal_bytes
from shared.db.tenant_time import tenants_now
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import UnitOfWork, outbox_row
from shared.observability.metrics import DELIVERIES

SWEEP_BATCH: Final = 100

Content = Mapping[str, str | None]
"""What was sent, in words."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery, what follows its attempt, and what was sent."""

    claimed: Claimed
    step: NextStep
    content: Content | None = field(default=None, repr=False)

    @property
    def delivery(self) -> Delivery:
        """Whose attempt it was."""
        return self.claimed.delivery


async def write_down(judged: Sequence[Judged], deps: Deps) -> None:
    """Store and announce what follows these attempts."""
    tenants = {each.delivery.tenant_id for each in judged}
    async with deps.database.transaction(tenants) as conn:
        uow = UnitOfWork(conn)
        times = await tenants_now(conn, tenants)
        await _record(uow, [(each.delivery, each.step, times[each.delivery.tenant_id]) for each in judged])
        shown = _sandbox_rows(judged, times, deps)
        if shown:
            await keep_messages(conn, shown)
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            rows = await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    for each in judged:
        channel, outcome = each.delivery.channel.value, type(each.step).__name__.lower()
        DELIVERIES.labels(channel=channel, outcome=outcome).inc()


async def release_expired(deps: Deps) -> bool:
    """A duty: deliveries whose lease ended are unknown outcomes. Returns whether there may be more."""
    async with deps.database.transaction(work_queues=True) as conn:
        found = await claim_expired_leases(conn, limit=SWEEP_BATCH)
        uow = UnitOfWork(conn)
        await _record(uow, [(delivery, _after_a_lost_lease(delivery), now) for delivery, now in found])
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            rows = await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    return len(found) == SWEEP_BATCH


def _after_a_lost_lease(delivery: Delivery) -> NextStep:
    attempt = Attempt(attempts=delivery.attempts, unknowns=delivery.unknowns)
    return after_attempt(attempt, Unknown(reason="lease_ended"))


async def _record(uow: UnitOfWork, judged: Sequence[tuple[Delivery, NextStep, dt.datetime]]) -> None:
    """Nothing is stored or said where the lease ended meanwhile: somebody else has judged that attempt.

    What was sent, which is nearly all, by one statement; the rest singly.
    """
    sent = [(delivery, step.provider_id, now) for delivery, step, now in judged if isinstance(step, Sent)]
    if sent:
        states = await outcomes.record_sent(uow.conn, [(delivery, provider_id) for delivery, provider_id, _ in sent])
        for delivery, _, now in sent:
            _announce_sent(uow, delivery, states.get((delivery.tenant_id, delivery.delivery_id)), now)
    for delivery, step, now in judged:
        await _record_unsent(uow, delivery, step, now)


async def _record_unsent(uow: UnitOfWork, delivery: Delivery, step: NextStep, now: dt.datetime) -> None:
    if isinstance(step, Again | Failed) and step.is_unknown:
        received = await outcomes.record_received(uow.conn, delivery)
        if received is not None:
            _announce_sent(uow, delivery, received, now)
            return
    match step:
        case Sent():
            pass
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


def _sandbox_rows(judged: Sequence[Judged], times: Mapping[UUID, dt.datetime], deps: Deps) -> list[SandboxRow]:
    """Of what sandboxes' people were sent, since their developers read it."""
    return [
        _sandbox_row(each.delivery, each.content, times[each.delivery.tenant_id], deps)
        for each in judged
        if each.claimed.is_sandbox and isinstance(each.step, Sent) and each.content is not None
    ]


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
