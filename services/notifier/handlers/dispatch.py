"""Sending: claim in one transaction, call the provider outside of any, write down the outcome in another.

A crash before the call or after it leaves a lease; when it ends, the outcome counts as unknown (`release_expired`).
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.notifier import announcements
from services.notifier.deps import Deps
from services.notifier.domain.attempt import Again, Attempt, Failed, NextStep, Sent, after_attempt
from services.notifier.domain.delivery import Misconfigured, Refused, SendOutcome, Unknown
from services.notifier.queries import deliveries
from services.notifier.queries.deliveries import Claimed, Delivery
from services.notifier.queries.sandbox import SandboxRow, keep_message
from shared.contracts.notifications import DEFAULT_COLOUR, PARAMS, Notification
from shared.contracts.types import Channel
from shared.crypto.sealing import (
    BrokenSeal,
    contact_place,
    open_bytes,
    sandbox_place,
    seal_bytes,
    secret_param_place,
    unseal,
)
from shared.db.connection import StoreUnavailable
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import UnitOfWork, outbox_row
from shared.observability.metrics import DELIVERIES
from shared.secret import Secret

log = structlog.get_logger()

AT_ONCE: Final = {Channel.EMAIL: 32, Channel.SMS: 16}
POLL: Final = 1.0  # seconds
SWEEP_BATCH: Final = 100
BROKEN_PAUSE: Final = 10.0  # seconds of a channel whose provider an operator must mend


@dataclass(frozen=True, slots=True)
class _Written:
    """What a message says, for whom it may concern in a sandbox."""

    to: Secret[str]
    content: dict[str, object] = field(repr=False)
    outcome: SendOutcome


async def dispatch(channel: Channel, deps: Deps) -> None:
    """Send what is queued on a channel until cancelled; a bounded number at once."""
    free = asyncio.Semaphore(AT_ONCE[channel])
    async with asyncio.TaskGroup() as tasks:
        while True:
            deps.wake[channel].clear()
            claimed = await _claim(channel, deps, limit=max(1, free._value))  # noqa: SLF001 - a hint; the semaphore decides
            for each in claimed:
                await free.acquire()
                tasks.create_task(_deliver(each, deps, free))
            if not claimed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await deps.wake[channel].wait()


async def _claim(channel: Channel, deps: Deps, *, limit: int) -> list[Claimed]:
    try:
        async with deps.database.transaction(work_queues=True) as conn:
            return await deliveries.claim_deliveries(conn, channel, limit=limit)
    except StoreUnavailable:
        return []


async def _deliver(claimed: Claimed, deps: Deps, free: asyncio.Semaphore) -> None:
    """One delivery from claim to outcome. What fails here leaves a lease behind, and the sweep finds it."""
    delivery = claimed.delivery
    try:
        if delivery.not_after is not None and delivery.not_after <= claimed.now:
            await _write_down(claimed, None, deps)
            return
        written = await _send(claimed, deps)
        await _write_down(claimed, written, deps)
        if isinstance(written.outcome, Misconfigured):
            log.error("channel_misconfigured", channel=delivery.channel.value, reason=written.outcome.reason)
            await asyncio.sleep(BROKEN_PAUSE)  # holds its slot: a broken channel slows down by itself
    except StoreUnavailable:
        log.warning("outcome_not_written", delivery_id=str(delivery.delivery_id))
    except Exception as error:  # noqa: BLE001 - one delivery hurts no other
        log.error("delivery_failed", delivery_id=str(delivery.delivery_id), error=error)
    finally:
        free.release()


async def _send(claimed: Claimed, deps: Deps) -> _Written:
    delivery = claimed.delivery
    try:
        place = contact_place(delivery.tenant_id, delivery.account_id, delivery.channel.value)
        to = unseal(deps.seal, delivery.destination, place)
        params = _params(claimed, deps)
    except (BrokenSeal, ValueError) as error:
        log.error("delivery_unreadable", delivery_id=str(delivery.delivery_id), error=error)
        return _Written(Secret(""), {}, Refused(code="unreadable", is_permanent=True))
    senders = deps.senders(is_sandbox=claimed.is_sandbox)
    notification = Notification(delivery.notification)
    notice = PARAMS[notification].model_validate(params)
    code = params.get("code")
    content: dict[str, object]
    outcome: SendOutcome
    match delivery.channel:
        case Channel.EMAIL:
            mail = deps.renderer.render_email(notification, delivery.language, notice, time_zone=delivery.time_zone)
            outcome = await senders.send_email(
                mail, to=to, delivery_id=delivery.delivery_id, sender_name=claimed.tenant_name
            )
            content = {"to": to.reveal(), "subject": mail.subject, "text": mail.text, "code": code}
        case Channel.SMS:
            text = deps.renderer.render_sms(notification, delivery.language, notice, time_zone=delivery.time_zone)
            outcome = await senders.send_sms(
                text,
                to=to,
                callback=_callback(delivery, deps),
                sender=None if claimed.is_sandbox else _text(claimed.settings.get("sms_sender")),
                validity=delivery.not_after - claimed.now if delivery.not_after else None,
            )
            content = {"to": to.reveal(), "subject": None, "text": text, "code": code}
    return _Written(to, content, outcome)


def _params(claimed: Claimed, deps: Deps) -> dict[str, object]:
    """The command's parameters, what is sealed of them, and what every text says of its tenant."""
    delivery = claimed.delivery
    place = secret_param_place(delivery.tenant_id, delivery.account_id, delivery.delivery_id)
    params: dict[str, object] = {
        "tenant_name": claimed.tenant_name,
        "tenant_colour": _text(claimed.settings.get("colour")) or DEFAULT_COLOUR,
        **delivery.params,
    }
    if delivery.secrets is not None:
        params |= json.loads(open_bytes(deps.seal, delivery.secrets, place))
    if delivery.code is not None:
        params |= {"code": unseal(deps.seal, delivery.code, place).reveal(), "domain": deps.domain}
    return params


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _callback(delivery: Delivery, deps: Deps) -> str:
    query = f"tenant={delivery.tenant_id}&delivery={delivery.delivery_id}"
    return f"{deps.public_url}/v1/callbacks/twilio?{query}"


async def _write_down(claimed: Claimed, written: _Written | None, deps: Deps) -> None:
    """The outcome, the events, and in a sandbox the message itself, in one transaction."""
    delivery = claimed.delivery
    async with deps.database.transaction([delivery.tenant_id]) as conn:
        uow = UnitOfWork(conn)
        if written is None:
            label = "expired"
            if await deliveries.record_ended(conn, delivery, state="expired", reason=None):
                uow.publish(announcements.expired(delivery, claimed.now))
        else:
            step = after_attempt(Attempt(attempts=delivery.attempts, unknowns=delivery.unknowns), written.outcome)
            label = type(step).__name__.lower()
            await record_step(uow, claimed, step)
            if claimed.is_sandbox and isinstance(step, Sent):
                await keep_message(conn, _sandbox_row(claimed, written, deps))
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    DELIVERIES.labels(channel=delivery.channel.value, outcome=label).inc()


async def record_step(uow: UnitOfWork, claimed: Claimed, step: NextStep) -> None:
    """Store and announce what follows an attempt; nothing when the lease ended meanwhile."""
    delivery, now = claimed.delivery, claimed.now
    match step:
        case Sent(provider_id=provider_id):
            state = await deliveries.record_sent(uow.conn, delivery, provider_id=provider_id)
            if state is not None:
                uow.publish(announcements.sent(delivery, now))
            if state == "delivered":
                uow.publish(announcements.delivered(delivery, now))
            elif state == "undeliverable":
                uow.publish(announcements.undeliverable(delivery, "receipt", now))
        case Again(delay=delay, reason=reason, is_unknown=is_unknown, is_counted=is_counted):
            await deliveries.record_again(
                uow.conn, delivery, delay=delay, reason=reason, is_unknown=is_unknown, is_counted=is_counted
            )
        case Failed(reason=reason, is_unknown=is_unknown):
            state = "unknown" if is_unknown else "refused"
            if await deliveries.record_ended(uow.conn, delivery, state=state, reason=reason):
                uow.publish(announcements.undeliverable(delivery, reason, now))


def _sandbox_row(claimed: Claimed, written: _Written, deps: Deps) -> SandboxRow:
    delivery = claimed.delivery
    place = sandbox_place(delivery.tenant_id, delivery.account_id, delivery.delivery_id)
    return SandboxRow(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.delivery_id,
        account_id=delivery.account_id,
        channel=delivery.channel.value,
        notification=delivery.notification,
        content=seal_bytes(deps.seal, json.dumps(written.content).encode(), place),
        sent_at=claimed.now,
    )


async def release_expired(deps: Deps) -> bool:
    """Deliveries whose lease ended are unknown outcomes. Returns whether there may be more."""
    async with deps.database.transaction(work_queues=True) as conn:
        found = await deliveries.claim_expired_leases(conn, limit=SWEEP_BATCH)
        uow = UnitOfWork(conn)
        for delivery in found:
            step = after_attempt(
                Attempt(attempts=delivery.attempts, unknowns=delivery.unknowns), Unknown(reason="lease_ended")
            )
            now = delivery.queued_at
            claimed = Claimed(delivery=delivery, tenant_name="", is_sandbox=False, settings={}, now=now)
            await record_step(uow, claimed, step)
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    return len(found) == SWEEP_BATCH
