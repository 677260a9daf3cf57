"""Request lanes: single questions and frames of them, judged together and answered together."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import structlog

from shared.clock import host_now
from shared.messaging.bus import Ack, Dead, Incoming, PublishOutcome, Receive, Reply, Retry
from shared.messaging.rabbitmq.envelope import Parcel
from shared.messaging.rabbitmq.feed import Delivery
from shared.messaging.rabbitmq.frames import Framed
from shared.messaging.rabbitmq.handling import Judged, dead_copy, judge_all
from shared.messaging.rabbitmq.questions import again_parcel, replies_parcel, reply_parcel
from shared.messaging.rabbitmq.sender import Sender
from shared.messaging.topology import Lane

log = structlog.get_logger()


class RequestHandling:
    """A request lane: somebody waits, but for a shorter time than the ladder's first step."""

    def __init__(self, lane: Lane, receive: Receive, sender: Sender) -> None:
        self._lane = lane
        self._receive = receive
        self._sender = sender

    async def handle(self, batch: Sequence[Delivery]) -> None:
        """Deliveries of the lane's queue; what goes alone comes last, and holds up no other's answer."""
        together = [each for each in batch if not each.goes_alone]
        if together:
            await self._judge(together)
        for each in batch:
            if each.is_frame_again:
                await self._take_apart(each)
            elif each.goes_alone:
                await self._judge([each])

    async def _judge(self, batch: Sequence[Delivery]) -> None:
        """What is past its deadline is dropped unread: who asked has given up."""
        now = host_now()
        timely = [[part for part in each.parts if not _is_over(part, now)] for each in batch]
        judged = await judge_all(self._receive, timely, most=self._lane.batch)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(batch, judged, strict=True)))

    async def _take_apart(self, delivery: Delivery) -> None:
        """A frame whose worker never said that it was done: one of them may be why, and the others need not know."""
        log.warning("frame_again", lane=self._lane.name, messages=len(delivery.parts))
        await asyncio.gather(*(self._ask_again(delivery, part) for part in delivery.parts))
        await delivery.ack()

    async def _settle(self, delivery: Delivery, judged: Sequence[Judged]) -> None:
        match judged:
            case [(_, Retry())] if delivery.members is None:
                await delivery.reject(requeue=True)  # to another worker, twice at most, while its time lasts
            case _:
                await self._settle_parts(delivery, judged)
                await delivery.ack()

    async def _settle_parts(self, delivery: Delivery, judged: Sequence[Judged]) -> None:
        """The replies leave first; if they cannot be sent it is not tried again: the answers are committed, and whoever
        asks again is given them.
        """
        replies = [Framed(part.message_id, said.body) for part, said in judged if isinstance(said, Reply)]
        if replies and delivery.reply_to is not None:
            await self._sender.send(_replies(delivery, delivery.reply_to, replies))
        for part, said in judged:
            match said:
                case Retry():
                    await self._ask_again(delivery, part)
                case Dead(reason):
                    await self._sender.send(dead_copy(part, reason))
                case Ack() | Reply():
                    pass

    async def _ask_again(self, delivery: Delivery, part: Incoming) -> None:
        """One of a frame, singly and once: its neighbours have their answers."""
        now = host_now()
        if delivery.reply_to is None or part.expires_at is None or _is_over(part, now):
            return
        left = (part.expires_at - now).total_seconds()
        outcome = await self._sender.send(again_parcel(part, delivery.reply_to, left=left))
        if outcome is not PublishOutcome.CONFIRMED:  # who asked hears at the deadline that there is no answer
            log.warning("not_asked_again", lane=self._lane.name, outcome=outcome.value)


def _is_over(part: Incoming, now: dt.datetime) -> bool:
    return part.expires_at is not None and part.expires_at <= now


def _replies(delivery: Delivery, reply_to: str, replies: Sequence[Framed]) -> Parcel:
    if delivery.members is None:
        return reply_parcel(delivery.incoming, reply_to, replies[0].body)
    return replies_parcel(reply_to, replies)
