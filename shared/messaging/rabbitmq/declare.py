"""The table of lanes made on a broker, and a broker compared with it. Over AMQP alone: no management plug-in needed."""

import contextlib
import datetime as dt
import enum
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from aiormq.exceptions import AMQPChannelError, ChannelNotFoundEntity, ChannelPreconditionFailed

from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.parts import ExchangePart, Part, QueuePart, all_parts, exchange_parts, out_part
from shared.messaging.rabbitmq.session import LinkLost, Session, link_errors
from shared.messaging.topology import LANES, RETRY_DELAYS, Lane

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel as Channel

DECLARE_TIMEOUT = 5.0  # seconds an object

log = structlog.get_logger()


class Fault(enum.StrEnum):
    """How an object on a broker differs from the table."""

    MISSING = "missing"
    MISMATCHED = "mismatched"  # it has another type or other arguments: drain it, delete it, apply again
    REFUSED = "refused"  # this user may not look at it, or not make it


@dataclass(frozen=True, slots=True)
class Difference:
    """One exchange or queue that is not as the table says. AMQP does not show bindings: `apply` makes them anew."""

    name: str
    fault: Fault


async def apply(
    urls: Sequence[str], *, lanes: Sequence[Lane] = LANES, retry_delays: Sequence[dt.timedelta] = RETRY_DELAYS
) -> list[Difference]:
    """Make what is missing; again is harmless. Returns what could not be made right, which is left as it is.

    Raises `ConnectionError` when no host answers, or the one that did is lost.
    """
    async with _session(urls) as session:
        return await ensure(session, all_parts(lanes, retry_delays))


async def diff(
    urls: Sequence[str], *, lanes: Sequence[Lane] = LANES, retry_delays: Sequence[dt.timedelta] = RETRY_DELAYS
) -> list[Difference]:
    """What is not as the table says; makes nothing.

    Raises `ConnectionError` when no host answers, or the one that did is lost.
    """
    async with _session(urls) as session:
        declarer = _Declarer(session)
        return [found for part in all_parts(lanes, retry_delays) if (found := await declarer.compare(part))]


async def make_out_queue(urls: Sequence[str], tenant_id: UUID) -> list[Difference]:
    """Make the queue that a tenant reads its events from; again is harmless. Returns what could not be made right.

    Raises `ConnectionError` when no host answers, or the one that did is lost.
    """
    async with _session(urls) as session:
        return await ensure(session, [*exchange_parts(RETRY_DELAYS), out_part(tenant_id)])


async def delete_out_queue(urls: Sequence[str], tenant_id: UUID) -> None:
    """Delete that queue with what is in it; no queue is no error.

    Raises `ConnectionError` when no host answers, or the one that did is lost.
    """
    async with _session(urls) as session:
        channel = await session.open_scratch_channel()
        await channel.queue_delete(names.out_queue_of(tenant_id), timeout=DECLARE_TIMEOUT)


async def ensure(session: Session, wanted: Iterable[Part]) -> list[Difference]:
    """`apply` on a session. One wrong object does not keep the others from being made, nor lanes from being worked."""
    declarer = _Declarer(session)
    wrong = [found for part in wanted if (found := await declarer.make(part))]
    if wrong:
        log.error("topology_wrong", objects=len(wrong), first=wrong[0].name, fault=wrong[0].fault.value)
    return wrong


class _Declarer:
    """Declares objects one by one. A broker answers a wrong declaration by closing the channel: then another opens."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channel: Channel | None = None

    async def make(self, part: Part) -> Difference | None:
        """Declare it and what leads to it; nothing when all is well."""
        try:
            channel = await self._open()
            await _declare(channel, part, is_passive=False)
            if isinstance(part, QueuePart):
                for exchange, key in part.bindings:
                    await channel.queue_bind(part.name, exchange, key, timeout=DECLARE_TIMEOUT)
        except AMQPChannelError as error:
            return Difference(part.name, _fault(error))
        return None

    async def compare(self, part: Part) -> Difference | None:
        """Ask whether it is there, then declare it with the same arguments, which changes nothing when they match."""
        try:
            channel = await self._open()
            await _declare(channel, part, is_passive=True)
            await _declare(channel, part, is_passive=False)
        except AMQPChannelError as error:
            return Difference(part.name, _fault(error))
        return None

    async def _open(self) -> "Channel":
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._session.open_scratch_channel()
        return self._channel


async def _declare(channel: "Channel", part: Part, *, is_passive: bool) -> None:
    match part:
        case ExchangePart(name, kind):
            await channel.exchange_declare(
                name, exchange_type=kind, durable=True, passive=is_passive, timeout=DECLARE_TIMEOUT
            )
        case QueuePart(name, arguments):
            await channel.queue_declare(
                name, durable=True, passive=is_passive, arguments=dict(arguments), timeout=DECLARE_TIMEOUT
            )


def _fault(error: AMQPChannelError) -> Fault:
    match error:
        case ChannelNotFoundEntity():
            return Fault.MISSING
        case ChannelPreconditionFailed():
            return Fault.MISMATCHED
        case _:
            return Fault.REFUSED


@contextlib.asynccontextmanager
async def _session(urls: Sequence[str]) -> AsyncIterator[Session]:
    for url in urls:
        with contextlib.suppress(LinkLost), link_errors():
            session = await Session.open(url)
            break
    else:
        raise ConnectionError("no broker answers")
    try:
        with link_errors():
            yield session
    finally:
        await session.close()
