"""What becomes of deliveries: the handlers' dispositions, carried out on the broker.

Whatever leaves a queue for another one is confirmed there before it is acknowledged here: a crash in between leaves a
duplicate, never a gap.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence

import structlog

from shared.clock import host_now
from shared.messaging.bus import Ack, Dead, Disposition, Exchange, PublishOutcome, Receive, Reply, Retry
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import Parcel, copy_parcel, reply_parcel
from shared.messaging.rabbitmq.feed import Delivery
from shared.messaging.rabbitmq.sender import Sender
from shared.messaging.rabbitmq.session import is_cancelled_by_caller
from shared.messaging.topology import KILLER_AFTER, Lane

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
        if others:
            await self.handle_alone(others)

    async def handle_alone(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the solo queue, one by one; of the lane's queue, what is left."""
        dispositions = await judge(self._receive, batch)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(batch, dispositions, strict=True)))

    async def _settle(self, delivery: Delivery, disposition: Disposition) -> None:
        match disposition:
            case Ack():
                await delivery.ack()
            case Reply(body):
                await answer(self._sender, delivery, body)
            case Retry(reason):
                await self._retry(delivery, reason)
            case Dead(reason):
                await bury(self._sender, delivery, reason)

    async def _retry(self, delivery: Delivery, reason: str) -> None:
        attempt = delivery.incoming.attempt
        if attempt >= len(self._retry_delays):
            await bury(self._sender, delivery, reason)
            return
        exchange = names.retry_exchange_of(self._retry_delays[attempt])
        copy = copy_parcel(delivery.incoming, exchange, self._lane.name, attempt=attempt + 1)
        await self._move(delivery, copy)

    async def _set_aside(self, delivery: Delivery) -> None:
        await self._move(delivery, copy_parcel(delivery.incoming, Exchange.COMMANDS, names.solo_key_of(self._lane)))

    async def _move(self, delivery: Delivery, copy: Parcel) -> None:
        """To another queue. While the broker takes nothing (an alarm, no link) the message is held, and its worker
        with it: given back, it would come again at once and use up its deliveries.
        """
        while not delivery.is_stale():
            match await self._sender.send(copy):
                case PublishOutcome.CONFIRMED:
                    await delivery.ack()
                    return
                case PublishOutcome.UNROUTABLE:  # the queue is not there; the delivery limit ends this
                    await give_back(delivery, HOLD_PAUSE)
                    return
                case PublishOutcome.REFUSED | PublishOutcome.UNKNOWN:
                    await delivery.pause(HOLD_PAUSE)


class RequestHandling:
    """A request lane: somebody waits, but for a shorter time than the ladder's first step."""

    def __init__(self, receive: Receive, sender: Sender) -> None:
        self._receive = receive
        self._sender = sender

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the lane's queue; those past their deadline are dropped unread: who asked has given up."""
        now = host_now()
        late = [each for each in batch if each.incoming.expires_at is not None and each.incoming.expires_at <= now]
        for each in late:
            await each.ack()
        timely = [each for each in batch if each not in late]
        if timely:
            dispositions = await judge(self._receive, timely)
            await asyncio.gather(*(self._settle(*pair) for pair in zip(timely, dispositions, strict=True)))

    async def _settle(self, delivery: Delivery, disposition: Disposition) -> None:
        match disposition:
            case Ack():
                await delivery.ack()
            case Reply(body):
                await answer(self._sender, delivery, body)
            case Retry():
                await delivery.reject(requeue=True)  # to another worker, twice at most, while its time lasts
            case Dead(reason):
                await bury(self._sender, delivery, reason)


class DeadHandling:
    """A dead queue. What its handler cannot take now stays."""

    def __init__(self, receive: Receive, *, pause: dt.timedelta) -> None:
        """``pause``: before what could not be taken is tried again."""
        self._receive = receive
        self._pause = pause.total_seconds()

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the dead queue."""
        dispositions = await judge(self._receive, batch)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(batch, dispositions, strict=True)))

    async def _settle(self, delivery: Delivery, disposition: Disposition) -> None:
        match disposition:
            case Ack() | Reply():
                await delivery.ack()
            case Retry() | Dead():  # there is no second death: a person has to see it
                await give_back(delivery, self._pause)


async def judge(receive: Receive, batch: Sequence[Delivery]) -> Sequence[Disposition]:
    """Call the handler. It does not raise; should it do so all the same, its messages are tried again later."""
    reason = "WrongNumberOfDispositions"
    try:
        dispositions = await receive([each.incoming for each in batch])
        if len(dispositions) == len(batch):
            return dispositions
    except asyncio.CancelledError as error:
        if is_cancelled_by_caller():
            raise
        reason = type(error).__name__
    except Exception as error:  # noqa: BLE001 - a bug above must not end the worker
        reason = type(error).__name__
    log.error("receive_failed", reason=reason, lane=batch[0].incoming.lane, messages=len(batch))
    return [Retry(reason)] * len(batch)


async def answer(sender: Sender, delivery: Delivery, body: bytes) -> None:
    """Send the reply, then take the question off the lane.

    A reply that cannot be sent is not tried again: the answer is committed, and whoever asked looks it up.
    """
    if delivery.reply_to is not None:
        await sender.send(reply_parcel(delivery.incoming, delivery.reply_to, body))
    await delivery.ack()


async def bury(sender: Sender, delivery: Delivery, reason: str) -> None:
    """Set it aside with its reason. The broker's own dead-lettering, which carries none, is the second choice."""
    lane = delivery.incoming.lane
    copy = copy_parcel(delivery.incoming, names.DEAD_EXCHANGE, lane, dead_reason=reason)
    log.error("message_dead", lane=lane, message_id=str(delivery.incoming.message_id), reason=reason)
    if await sender.send(copy) is PublishOutcome.CONFIRMED:
        await delivery.ack()
    else:
        await delivery.reject(requeue=False)


async def give_back(delivery: Delivery, pause: float) -> None:
    """Leave the message in its queue, to be delivered again after ``pause`` seconds."""
    await delivery.pause(pause)
    await delivery.reject(requeue=True)
