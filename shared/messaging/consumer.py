"""The pipeline between a lane and its handlers: decode, group, then for each group one transaction (`transact`).

Handlers never see any of it. Whatever goes wrong with a group is tried again one by one, so that a poisonous message
hurts nobody else.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from shared.clock import host_now, monotonic
from shared.contracts.codec import UndecodableMessage, decode
from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope, Event
from shared.contracts.replies import Refusal, RefusalCode
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.db.connection import StoreUnavailable, UniqueViolation, WouldDeadlock
from shared.db.pool import Database, wait_until_up
from shared.messaging.answering import seal_answer
from shared.messaging.answers import AnsweredMeanwhile
from shared.messaging.bus import Ack, Bus, Dead, Disposition, Incoming, Reply, Retry
from shared.messaging.handler_table import HandlerTable, Row
from shared.messaging.item import Item, one_of_each_request
from shared.messaging.outcome import Refused
from shared.messaging.relay import Relay
from shared.messaging.transact import Apart, Discarded, Transactor
from shared.observability.metrics import MESSAGE_SECONDS, MESSAGES_HANDLED

log = structlog.get_logger()

D = TypeVar("D")

LOST_RACES = (AnsweredMeanwhile, UniqueViolation, *WouldDeadlock)
TRIES = 3  # of a transaction that lost a race
SINGLES_AT_ONCE = 8  # transactions of single messages in a process: fewer than the pool has connections
REPEATS = 1.0  # seconds after a repeat of what was answered, in which more of them may come
WAITS = 5  # for a database that is away; each ends when it answers again


class Consumer(Generic[D]):
    """A service's handler table on a bus. One a process."""

    def __init__(
        self,
        *,
        table: HandlerTable[D],
        deps: D,
        database: Database,
        bus: Bus,
        relay: Relay,
        answers: KeyRing,
    ) -> None:
        """``answers``: the ring ``seal.gateway``."""
        self._table = table
        self._database = database
        self._bus = bus
        self._answers = answers
        self._transactor = Transactor(deps=deps, database=database, relay=relay, answers=answers)
        self._room = asyncio.Semaphore(SINGLES_AT_ONCE)
        self._repeats_until = float("-inf")  # monotonic seconds

    async def start(self) -> None:
        """Start the workers of every lane of the table."""
        for lane in self._table.lanes:
            await self._bus.consume(lane, self.receive)

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """One disposition each, in order; never raises."""
        started = monotonic()
        places: dict[Item, int] = {}
        groups: dict[Row[D], list[Item]] = defaultdict(list)
        dispositions: dict[int, Disposition] = {}
        for place, incoming in enumerate(batch):
            match self._sort(incoming):
                case (row, item):
                    groups[row].append(item)
                    places[item] = place
                case Ack() | Dead() as unhandled:
                    dispositions[place] = unhandled
        handled = await asyncio.gather(*(self._handle_all(row, items) for row, items in groups.items()))
        for row, done in zip(groups, handled, strict=True):
            for item, disposition in done.items():
                dispositions[places[item]] = disposition
            _report(row, done, monotonic() - started)
        MESSAGE_SECONDS.labels(lane=batch[0].lane).observe(monotonic() - started)
        return [dispositions[place] for place in range(len(batch))]

    def _sort(self, incoming: Incoming) -> tuple[Row[D], Item] | Ack | Dead:
        """Who handles it; or what becomes of it without a handler."""
        try:
            envelope = decode(incoming.body)
        except UndecodableMessage as error:
            return Dead(error.reason)
        row = self._table.row(incoming.lane, type(envelope.data))
        if row is not None:
            return (row, Item(incoming, envelope)) if row.is_news is None or row.is_news(envelope) else Ack()
        if isinstance(envelope.data, Event):  # a pattern may take more than the service listens to
            return Ack()
        log.error("no_handler", lane=incoming.lane, type=envelope.data.type)
        return Dead("no_handler")

    async def _handle_all(self, row: Row[D], items: list[Item]) -> dict[Item, Disposition]:
        """What can have no effect is done with; what may have one is handled."""
        relevant = await self._sift(row, items)
        done: dict[Item, Disposition] = dict.fromkeys(items, Ack())
        return done | (await self._handle_each(row, relevant) if relevant else {})

    async def _sift(self, row: Row[D], items: list[Item]) -> list[Item]:
        """What may have an effect; when that cannot be told, all of it: who handles it finds out."""
        try:
            return await self._transactor.sift(row, items) if row.sift is not None else items
        except Exception as error:  # noqa: BLE001 - whatever it is, the handler meets it too, and knows what to do
            log.info("group_not_sifted", lane=row.lane.name, size=len(items), error=error)
            return items

    async def _handle_each(self, row: Row[D], items: list[Item]) -> dict[Item, Disposition]:
        """A handler of lists gets all of them; what it defers, and what fails together, goes singly."""
        if not row.takes_list:
            return dict(
                zip(items, await asyncio.gather(*(self._beside_others(row, each) for each in items)), strict=True)
            )
        done = await self._handle_list(row, items)
        for item in items:  # in order: two attempts at one challenge
            if item not in done:
                done[item] = await self._handle_single(row, item, looks_up=len(items) > 1 or self._are_repeats_about())
        return done

    async def _handle_list(self, row: Row[D], items: list[Item]) -> dict[Item, Disposition]:
        """What could be done in one transaction; empty: nothing could.

        Handlers of lists are the hot ones, and nearly nothing that they get was answered before: it is decided without
        asking. Where a key turns out to be taken, the answers are looked up before anything is decided once more, and
        for a while at once: who sends one request again may send many.
        """
        together = one_of_each_request(items)
        tries_left, looks_up = TRIES, self._are_repeats_about()
        while len(together) > 1 and tries_left:
            tries_left -= 1
            try:
                return await self._transactor.handle(row, together, looks_up=looks_up)
            except Apart as apart:
                together = [item for item in together if item not in apart.items]
            except LOST_RACES:
                looks_up = self._note_repeat()
            except StoreUnavailable:
                if any(item.request is not None for item in together):
                    break  # each finds out for itself whether it is late
                await self._wait_for_store(row)
            except Exception as error:  # noqa: BLE001 - each is tried again singly
                log.info("group_goes_singly", lane=row.lane.name, size=len(together), error=error)
                break
        return {}

    async def _beside_others(self, row: Row[D], item: Item) -> Disposition:
        async with self._room:
            return await self._handle_single(row, item)

    async def _handle_single(self, row: Row[D], item: Item, *, looks_up: bool = True) -> Disposition:
        tries_left, waits_left = TRIES, WAITS
        while not item.is_late(host_now()):
            try:
                return (await self._transactor.handle(row, [item], looks_up=looks_up))[item]
            except LOST_RACES as error:
                looks_up = self._note_repeat()
                tries_left -= 1
                if not tries_left:
                    return self._failed(item, error)
            except StoreUnavailable:
                if item.request is not None:
                    return self._refused(item.request, RefusalCode.UNAVAILABLE)
                waits_left -= 1
                if not waits_left:
                    return Retry("store_unavailable")
                await self._wait_for_store(row)
            except Exception as error:  # noqa: BLE001 - the ladder brings it back, a person finds it in the end
                if looks_up or item.request_id is None:
                    return self._over(item, error)
                looks_up = True  # it may have had its answer before this went wrong
        return Ack()

    def _are_repeats_about(self) -> bool:
        return monotonic() < self._repeats_until

    def _note_repeat(self) -> bool:
        """Whether to look for answers first, now."""
        self._repeats_until = monotonic() + REPEATS
        return True

    def _over(self, item: Item, error: Exception) -> Disposition:
        """It cannot be handled."""
        match error:
            case Discarded(reason=reason):
                return self._discarded(item, reason)
            case UnknownKey():
                log.error("key_missing", error=error)
                return self._refused(item.request, RefusalCode.KEY_MISSING) if item.request else Retry("key_missing")
            case _:
                return self._failed(item, error)

    def _refused(self, request: Envelope[Request], code: RefusalCode) -> Disposition:
        return Reply(seal_answer(self._answers, request, Refused(Refusal(code=code))))

    def _discarded(self, item: Item, reason: str) -> Disposition:
        return self._refused(item.request, RefusalCode.INTERNAL_ERROR) if item.request else Dead(reason)

    def _failed(self, item: Item, error: Exception) -> Disposition:
        log.error("handler_failed", lane=item.incoming.lane, type=item.envelope.data.type, error=error)
        return self._discarded(item, type(error).__name__) if item.request else Retry(type(error).__name__)

    async def _wait_for_store(self, row: Row[D]) -> None:
        """Hold the message until the database is back: no attempt is burnt, and a full window pauses the lane."""
        log.warning("store_unavailable", lane=row.lane.name)
        await wait_until_up(self._database)


def _report(row: Row[D], done: Mapping[Item, Disposition], seconds: float) -> None:
    """A line for each message, where anybody reads them; those that ended alike are counted together."""
    ended = {item: type(disposition).__name__.lower() for item, disposition in done.items()}
    for (kind, outcome), number in Counter(
        (item.envelope.data.type, outcome) for item, outcome in ended.items()
    ).items():
        MESSAGES_HANDLED.labels(lane=row.lane.name, type=kind, outcome=outcome).inc(number)
    line = log.bind(lane=row.lane.name, milliseconds=round(seconds * 1000, 1))
    if not line.is_enabled_for(logging.INFO):
        return
    for item, outcome in ended.items():
        line.info(
            "message",
            type=item.envelope.data.type,
            outcome=outcome,
            attempt=item.incoming.attempt,
            message_id=str(item.envelope.id),
            correlation_id=str(item.envelope.correlation_id),
            tenant_id=str(item.envelope.tenant_id),
        )
