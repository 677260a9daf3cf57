"""Sending: claim in one transaction, call the provider outside of any, write down the outcome in another.

A crash before the call or after it leaves a lease; when it ends, the outcome counts as unknown (`release_expired`).
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from services.notifier.deps import Deps
from services.notifier.domain.attempt import Attempt, Expired, after_attempt, is_over
from services.notifier.domain.delivery import Misconfigured
from services.notifier.handlers.outcome_book import OutcomeBook
from services.notifier.handlers.outcomes import Judged
from services.notifier.handlers.sending import send
from services.notifier.queries.deliveries import Claimed, claim_deliveries
from shared.contracts.types import Channel
from shared.db.connection import StoreUnavailable
from shared.db.low_water import LowWater
from shared.db.pool import wait_until_up

log = structlog.get_logger()

AT_ONCE: Final = {Channel.EMAIL: 32, Channel.SMS: 16}
POLL: Final = 1.0  # seconds
LINGER: Final = 0.02  # seconds after a full hand has room again: what ends meanwhile makes room for a claim of many
BROKEN_PAUSE: Final = 10.0  # seconds of a channel whose provider an operator must mend
WRITES: Final = 5  # tries to write an outcome down: unwritten, a message that was sent is sent once more
SLACK: Final = dt.timedelta(seconds=30)  # what is queued may be committed so long after it is due
LEAVES_WITHIN: Final = 20.0  # seconds for what is being sent when the process is asked to end


@contextlib.asynccontextmanager
async def dispatching(deps: Deps) -> AsyncIterator[None]:
    """Send what is queued while the block lasts. At its end nothing new is begun, and what is being sent gets its
    outcome: cut off, it would be sent once more.
    """
    leaving, book = asyncio.Event(), OutcomeBook(deps)
    in_hand: dict[Channel, set[asyncio.Task[None]]] = {channel: set() for channel in Channel}
    dispatchers = [
        asyncio.create_task(_dispatch(channel, deps, book, in_hand[channel], leaving)) for channel in Channel
    ]
    try:
        yield
    finally:
        leaving.set()
        for wake in deps.wake.values():
            wake.set()
        await asyncio.gather(*dispatchers)
        await finish([task for tasks in in_hand.values() for task in tasks])


async def finish(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Give what is being sent its time, then cut it off."""
    if tasks:
        await asyncio.wait(tasks, timeout=LEAVES_WITHIN)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _dispatch(
    channel: Channel, deps: Deps, book: OutcomeBook, in_hand: set[asyncio.Task[None]], leaving: asyncio.Event
) -> None:
    """Claim as much as there is room for, so that no lease runs while a delivery waits for its turn."""
    low_water = LowWater(slack=SLACK)
    while not leaving.is_set():
        deps.wake[channel].clear()
        room = AT_ONCE[channel] - len(in_hand)
        if not room:
            await asyncio.wait(in_hand, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
            await happens(leaving, within=LINGER)
            continue
        claimed = await _claim(channel, deps, low_water, limit=room)
        for each in claimed:
            task = asyncio.create_task(_deliver(each, deps, book, leaving))
            in_hand.add(task)
            task.add_done_callback(in_hand.discard)
        if len(claimed) < room:  # there is no more; who queues some wakes us
            await happens(deps.wake[channel], within=POLL)


async def _claim(channel: Channel, deps: Deps, low_water: LowWater, *, limit: int) -> list[Claimed]:
    """Nothing when it fails: the rows are still there, and the dispatcher must not be lost over it."""
    try:
        async with deps.database.transaction(work_queues=True) as conn:
            claimed = await claim_deliveries(conn, channel, limit=limit, reach=low_water.reach())
        low_water.found([each.waited for each in claimed], at_most=limit)
        return claimed
    except StoreUnavailable:
        log.warning("store_unavailable", duty="dispatch", channel=channel.value)
    except Exception as error:  # noqa: BLE001 - logged, and tried again
        log.error("duty_failed", duty="dispatch", channel=channel.value, error=error)
    return []


async def _deliver(claimed: Claimed, deps: Deps, book: OutcomeBook, leaving: asyncio.Event) -> None:
    """One delivery from claim to outcome. What fails here leaves a lease behind, and the sweep finds it."""
    delivery = claimed.delivery
    try:
        if is_over(delivery.not_after, claimed.now):
            await _write_down(Judged(claimed, Expired()), deps, book)
            return
        attempted = await send(claimed, deps)
        step = after_attempt(Attempt(attempts=delivery.attempts, unknowns=delivery.unknowns), attempted.outcome)
        await _write_down(Judged(claimed, step, attempted.content), deps, book)
        if isinstance(attempted.outcome, Misconfigured):
            log.error("channel_misconfigured", channel=delivery.channel.value, reason=attempted.outcome.reason)
            await happens(leaving, within=BROKEN_PAUSE)  # holds its place: a broken channel slows down by itself
    except StoreUnavailable:
        log.warning("outcome_not_written", delivery_id=str(delivery.delivery_id))
    except Exception as error:  # noqa: BLE001 - one delivery hurts no other
        log.error("delivery_failed", delivery_id=str(delivery.delivery_id), error=error)


async def _write_down(judged: Judged, deps: Deps, book: OutcomeBook) -> None:
    """Also when the database was away meanwhile. Raises `StoreUnavailable` in the end."""
    for _ in range(WRITES - 1):
        try:
            await book.write(judged)
            return
        except StoreUnavailable:
            await wait_until_up(deps.database)
    await book.write(judged)


async def happens(event: asyncio.Event, *, within: float) -> None:
    """Wait for it, or for so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
