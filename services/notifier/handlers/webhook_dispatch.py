"""Sending webhooks: claim in one transaction, post outside of any, write down the outcome in another.

A crash before the post or after it leaves a lease; when it ends, the event is sent again, which its id allows
(`release_webhooks`).
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from services.notifier.adapters.webhook_signing import signed_headers
from services.notifier.deps import Deps
from services.notifier.domain.webhook import PostOutcome, Unanswered, after_post
from services.notifier.handlers.dispatch import POLL, SLACK, finish, happens
from services.notifier.handlers.webhook_outcomes import write_down
from services.notifier.queries.webhook_deliveries import Webhook, claim_webhooks
from shared.crypto.sealing import BrokenSeal, unseal, webhook_place
from shared.db.connection import StoreUnavailable
from shared.db.low_water import LowWater

log = structlog.get_logger()

POSTS_AT_ONCE: Final = 128  # in a process; the database bounds those of one endpoint
_CHANCE: Final = random.SystemRandom()


@contextlib.asynccontextmanager
async def dispatching_webhooks(deps: Deps) -> AsyncIterator[None]:
    """Send what is due while the block lasts. At its end nothing new is begun, and what is being sent is finished."""
    leaving = asyncio.Event()
    in_hand: set[asyncio.Task[None]] = set()
    dispatcher = asyncio.create_task(_dispatch(deps, in_hand, leaving))
    try:
        yield
    finally:
        leaving.set()
        deps.webhook_wake.set()
        await asyncio.gather(dispatcher)
        await finish(list(in_hand))


async def _dispatch(deps: Deps, in_hand: set[asyncio.Task[None]], leaving: asyncio.Event) -> None:
    """A full house waits for a free place, never for a certain endpoint."""
    low_water = LowWater(slack=SLACK)
    while not leaving.is_set():
        deps.webhook_wake.clear()
        room = POSTS_AT_ONCE - len(in_hand)
        if not room:
            await asyncio.wait(in_hand, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
            continue
        claimed = await _claim(deps, low_water, limit=room)
        for each in claimed:
            task = asyncio.create_task(_deliver(each, deps))
            in_hand.add(task)
            task.add_done_callback(in_hand.discard)
        if not claimed:
            await happens(deps.webhook_wake, within=POLL)


async def _claim(deps: Deps, low_water: LowWater, *, limit: int) -> Sequence[Webhook]:
    """Nothing when it fails: the rows are still there, and the dispatcher must not be lost over it."""
    try:
        async with deps.database.transaction(work_queues=True) as conn:
            claimed = await claim_webhooks(conn, limit=limit, reach=low_water.reach())
        low_water.seen(claimed.waited)
        return claimed.rows
    except StoreUnavailable:
        log.warning("store_unavailable", duty="dispatch_webhooks")
    except Exception as error:  # noqa: BLE001 - logged, and tried again
        log.error("duty_failed", duty="dispatch_webhooks", error=error)
    return []


async def _deliver(webhook: Webhook, deps: Deps) -> None:
    """One delivery from claim to outcome. What fails here leaves a lease behind, and the sweep finds it."""
    try:
        outcome = await _post(webhook, deps)
        step = after_post(outcome, attempts=webhook.attempts, elapsed=webhook.elapsed, jitter=_CHANCE.random())
        await write_down(webhook, step, deps)
    except StoreUnavailable:
        log.warning("outcome_not_written", delivery_id=str(webhook.delivery_id))
    except Exception as error:  # noqa: BLE001 - one delivery hurts no other
        log.error("webhook_failed", delivery_id=str(webhook.delivery_id), error=error)
    finally:
        deps.webhook_wake.set()  # its endpoint has room for the next


async def _post(webhook: Webhook, deps: Deps) -> PostOutcome:
    tenant_id, endpoint_id = webhook.tenant_id, webhook.endpoint_id
    sealed = [each for each in (webhook.secret, webhook.previous_secret) if each is not None]
    try:
        url = unseal(deps.seal, webhook.url, webhook_place(tenant_id, endpoint_id, "url"))
        keys = [unseal(deps.seal, each, webhook_place(tenant_id, endpoint_id, "secret")) for each in sealed]
    except BrokenSeal as error:
        log.error("webhook_unreadable", endpoint_id=str(endpoint_id), error=error)
        return Unanswered(reason="unreadable")
    headers = signed_headers(keys, event_id=webhook.event_id, at=webhook.sent_at, body=webhook.body)
    return await deps.posters.of(is_sandbox=webhook.is_sandbox).post(url, body=webhook.body, headers=headers)
