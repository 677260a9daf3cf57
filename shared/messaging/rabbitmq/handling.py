"""What becomes of deliveries: the handlers' dispositions, carried out on the broker.

Whatever leaves a queue for another one is confirmed there before it is acknowledged here: a crash in between leaves a
duplicate, never a gap.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence

import structlog

from shared.messaging.bus import Ack, Dead, Disposition, Exchange, Incoming, PublishOutcome, Receive, Reply, Retry
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import Parcel, copy_parcel
from shared.messaging.rabbitmq.feed import Delivery
from shared.messaging.rabbitmq.questions import reply_parcel
from shared.messaging.rabbitmq.sender import Sender
from shared.messaging.rabbitmq.session import is_cancelled_by_caller
from shared.messaging.topology import KILLER_AFTER, Lane

Judged = tuple[Incoming, Disposition]

APART_AFTER = 2  # deliveries of a frame that ended without a word; one may be a lost link's, which ends nobody
HOLD_PAUSE = 1.0  # seconds between two tries to move a message

log = structlog.get_logger()


class WorkHandling:
    """A work lane: the retry ladder, dead letters, and a queue of its own for what may kill its worker."""

    def __init__(self, lane: Lane, receive: Receive, sender: Sender, retry_delays: Sequence[dt.timedelta]) -> None:
        self._lane = lane
        self._receive = receive
        self._sender = sender
        self._retry_delays = retry_delays

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the lane's queue. What was delivered too often goes aside, so that its neighbours live."""
        suspects = [each for each in batch if each.deliveries_before >= KILLER_AFTER]
        others = [each for each in batch if each.deliveries_before < KILLER_AFTER]
        for each in suspects:
            log.warning("message_suspected", lane=self._lane.name, message_id=str(each.incoming.message_id))
        await asyncio.gather(*(self._set_aside(each) for each in suspects))
        together = [each for each in others if not each.is_frame_again]
        if together:
            await self._handle(together, most=self._lane.batch)
        for each in others:
            if each.is_frame_again and not each.is_stale():  # the one before it may have taken its time
                await self._handle_again(each)

    async def handle_alone(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the solo queue: one by one, for one may be what ends its worker."""
        await self._handle(batch, most=1)

    async def _handle(self, batch: Sequence[Delivery], *, most: int) -> None:
        judged = await judge_all(self._receive, [each.parts for each in batch], most=most)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(batch, judged, strict=True)))

    async def _handle_again(self, frame: Delivery) -> None:
        """By itself, for it may be what ended its worker; and from the second time on one by one, for as long as nobody
        else has it.
        """
        if frame.deliveries_before < APART_AFTER:
            await self._handle([frame], most=self._lane.batch)
            return
        judged: list[Judged] = []
        for part in frame.parts:
            if frame.is_lost():
                return
            judged += zip([part], await judge(self._receive, [part]), strict=True)
        await self._settle(frame, judged)

    async def _settle(self, delivery: Delivery, judged: Sequence[Judged]) -> None:
        match judged:
            case [(_, Reply(body))] if delivery.members is None:
                await answer(self._sender, delivery, body)
            case [(_, Dead(reason))] if delivery.members is None:
                await bury(self._sender, delivery, reason)
            case _:
                await self._move(delivery, [copy for part, said in judged if (copy := self._copy(part, said))])

    def _copy(self, part: Incoming, said: Disposition) -> Parcel | None:
        """What is left to be done for a message after its handler; None: nothing."""
        match said:
            case Retry(reason) if part.attempt < len(self._retry_delays):
                exchange = names.retry_exchange_of(self._retry_delays[part.attempt])
                return copy_parcel(part, exchange, self._lane.name, attempt=part.attempt + 1)
            case Retry(reason) | Dead(reason):
                return dead_copy(part, reason)
            case Ack() | Reply():
                return None

    async def _set_aside(self, delivery: Delivery) -> None:
        solo = names.solo_key_of(self._lane)
        await self._move(delivery, [copy_parcel(part, Exchange.COMMANDS, solo) for part in delivery.parts])

    async def _move(self, delivery: Delivery, copies: Sequence[Parcel]) -> None:
        """To other queues, then off this one. While the broker takes nothing (an alarm, no link) the message is held,
        and its worker with it: given back, it would come again at once and use up its deliveries.

        Who stops tries once all the same: what was handled would be handled again, and the rest of its frame with it.
        """
        while copies:
            if delivery.is_lost():
                return
            outcomes = await asyncio.gather(*(self._sender.send(copy) for copy in copies))
            if PublishOutcome.UNROUTABLE in outcomes:  # the queue is not there; the delivery limit ends this
                await give_back(delivery, HOLD_PAUSE)
                return
            sent = zip(copies, outcomes, strict=True)
            copies = [copy for copy, outcome in sent if outcome is not PublishOutcome.CONFIRMED]
            if copies and await delivery.pause(HOLD_PAUSE):
                return
        await delivery.ack()


class DeadHandling:
    """A dead queue. What its handler cannot take now stays."""

    def __init__(self, receive: Receive, *, pause: dt.timedelta, most: int) -> None:
        """``pause``: before what could not be taken is tried again; ``most``: messages at once."""
        self._receive = receive
        self._most = most
        self._pause = pause.total_seconds()

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the dead queue."""
        judged = await judge_all(self._receive, [each.parts for each in batch], most=self._most)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(batch, judged, strict=True)))

    async def _settle(self, delivery: Delivery, judged: Sequence[Judged]) -> None:
        """There is no second death: a person has to see it. What was parked out of a frame is parked once."""
        if any(isinstance(said, Retry | Dead) for _, said in judged):
            await give_back(delivery, self._pause)
        else:
            await delivery.ack()


async def judge(receive: Receive, batch: Sequence[Incoming]) -> Sequence[Disposition]:
    """Call the handler. It does not raise; should it do so all the same, its messages are tried again later."""
    reason = "WrongNumberOfDispositions"
    try:
        dispositions = await receive(batch)
        if len(dispositions) == len(batch):
            return dispositions
    except asyncio.CancelledError as error:
        if is_cancelled_by_caller():
            raise
        reason = type(error).__name__
    except Exception as error:  # noqa: BLE001 - a bug above must not end the worker
        reason = type(error).__name__
    log.error("receive_failed", reason=reason, lane=batch[0].lane, messages=len(batch))
    return [Retry(reason)] * len(batch)


async def judge_all(receive: Receive, parts: Sequence[Sequence[Incoming]], *, most: int) -> list[list[Judged]]:
    """Call the handler with these parts of each delivery, ``most`` at once: what it said, by delivery."""
    flat = [(place, part) for place, of_it in enumerate(parts) for part in of_it]
    judged: list[list[Judged]] = [[] for _ in parts]
    for start in range(0, len(flat), most):
        group = flat[start : start + most]
        dispositions = await judge(receive, [part for _, part in group])
        for (place, part), said in zip(group, dispositions, strict=True):
            judged[place].append((part, said))
    return judged


async def answer(sender: Sender, delivery: Delivery, body: bytes) -> None:
    """Send the reply, then take the question off the lane.

    A reply that cannot be sent is not tried again: the answer is committed, and whoever asked looks it up.
    """
    if delivery.reply_to is not None:
        await sender.send(reply_parcel(delivery.incoming, delivery.reply_to, body))
    await delivery.ack()


async def bury(sender: Sender, delivery: Delivery, reason: str) -> None:
    """Set it aside with its reason. The broker's own dead-lettering, which carries none, is the second choice."""
    if await sender.send(dead_copy(delivery.incoming, reason)) is PublishOutcome.CONFIRMED:
        await delivery.ack()
    else:
        await delivery.reject(requeue=False)


def dead_copy(incoming: Incoming, reason: str) -> Parcel:
    """A copy for where dead letters wait to be parked."""
    log.error("message_dead", lane=incoming.lane, message_id=str(incoming.message_id), reason=reason)
    return copy_parcel(incoming, names.DEAD_EXCHANGE, incoming.lane, dead_reason=reason)


async def give_back(delivery: Delivery, pause: float) -> None:
    """Leave the message in its queue, to be delivered again after ``pause`` seconds."""
    await delivery.pause(pause)
    await delivery.reject(requeue=True)
