"""The pipeline between a lane and its handlers: decode, group, then for each group one transaction of
claim (or look the answer up), handle, store what it says, commit; then hand over to the relay and report.

Handlers never see any of it. Whatever goes wrong with a group is tried again one by one, so that a poisonous message
hurts nobody else.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast
from uuid import UUID

import structlog

from shared.clock import monotonic
from shared.contracts.codec import UndecodableMessage, decode
from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope, Message
from shared.contracts.replies import Refusal, RefusalCode
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.db.connection import StoreUnavailable, UniqueViolation, WouldDeadlock
from shared.db.pool import Database, wait_until_up
from shared.messaging.answering import repeated, seal_answer, stored_answer
from shared.messaging.answers import StoredAnswer, insert_answers, load_answers
from shared.messaging.bus import Ack, Bus, Dead, Disposition, Incoming, Reply, Retry
from shared.messaging.handler_table import HandlerTable, Row
from shared.messaging.inbox import claim_messages
from shared.messaging.outbox import insert_messages
from shared.messaging.outcome import Deferred, Discard, ListOutcome, Ok, Outcome, Refused
from shared.messaging.relay import Relay
from shared.messaging.unit_of_work import UnitOfWork, outbox_row
from shared.observability.metrics import MESSAGE_SECONDS, MESSAGES_HANDLED

log = structlog.get_logger()

D = TypeVar("D")

TRIES = 3  # of a transaction that lost a race: a deadlock, a unique key
SINGLES_AT_ONCE = 8  # transactions of single messages in a process: fewer than the pool has connections
WAITS = 20  # for a database that is away; each ends when it answers again


class _Discarded(Exception):
    """Rolls the transaction back: the handler says that this message will never succeed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A message, decoded, and its place in the batch."""

    index: int
    incoming: Incoming
    envelope: Envelope[Message]

    @property
    def request(self) -> Envelope[Request] | None:
        """The envelope, if it wants an answer."""
        if self.incoming.wants_reply and isinstance(self.envelope.data, Request):
            return cast("Envelope[Request]", self.envelope)
        return None


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
        self._deps = deps
        self._database = database
        self._bus = bus
        self._relay = relay
        self._answers = answers
        self._room = asyncio.Semaphore(SINGLES_AT_ONCE)

    async def start(self) -> None:
        """Start the workers of every lane of the table."""
        for lane in self._table.lanes:
            await self._bus.consume(lane, self.receive)

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """One disposition each, in order; never raises."""
        started = monotonic()
        dispositions: dict[int, Disposition] = {}
        groups: dict[Row[D], list[_Item]] = defaultdict(list)
        for index, incoming in enumerate(batch):
            try:
                envelope = decode(incoming.body)
            except UndecodableMessage as error:
                dispositions[index] = Dead(error.reason)
                continue
            row = self._table.row(incoming.lane, type(envelope.data))
            if row is None:
                dispositions[index] = Ack()
            else:
                groups[row].append(_Item(index, incoming, envelope))
        handled = await asyncio.gather(*(self._handle_all(row, items) for row, items in groups.items()))
        for row, done in zip(groups, handled, strict=True):
            for item, disposition in done.items():
                dispositions[item.index] = disposition
                self._report(row, item, disposition, monotonic() - started)
        MESSAGE_SECONDS.labels(lane=batch[0].lane).observe(monotonic() - started)
        return [dispositions[index] for index in range(len(batch))]

    async def _handle_all(self, row: Row[D], items: list[_Item]) -> dict[_Item, Disposition]:
        """A handler of lists gets all of them; what it defers, and what fails together, goes singly."""
        done: dict[_Item, Disposition] = {}
        if row.takes_list and len(items) > 1:
            try:
                done = await self._transact(row, items)
            except StoreUnavailable:
                pass  # each finds out for itself, and says what is right for its lane
            except Exception as error:  # noqa: BLE001 - each is tried again singly
                log.info("group_goes_singly", lane=row.lane.name, size=len(items), error=error)
        rest = [item for item in items if item not in done]
        if row.takes_list:  # in order: two attempts at one challenge
            return done | {item: await self._handle_single(row, item) for item in rest}
        return dict(zip(rest, await asyncio.gather(*(self._beside_others(row, item) for item in rest)), strict=True))

    async def _beside_others(self, row: Row[D], item: _Item) -> Disposition:
        async with self._room:
            return await self._handle_single(row, item)

    async def _handle_single(self, row: Row[D], item: _Item) -> Disposition:
        tries_left, waits_left = TRIES, WAITS
        while True:
            try:
                return (await self._transact(row, [item]))[item]
            except (UniqueViolation, *WouldDeadlock) as error:
                tries_left -= 1
                if not tries_left:
                    return self._failed(item, error)
            except _Discarded as discarded:
                return self._discarded(item, discarded.reason)
            except StoreUnavailable:
                if item.request is not None:
                    return self._refused(item.request, RefusalCode.UNAVAILABLE)
                waits_left -= 1
                if not waits_left:
                    return Retry("store_unavailable")
                await self._wait_for_store(item)
            except UnknownKey as error:
                log.exception("key_missing", error=error)
                return self._refused(item.request, RefusalCode.KEY_MISSING) if item.request else Retry("key_missing")
            except Exception as error:  # noqa: BLE001 - the ladder brings it back, a person finds it in the end
                return self._failed(item, error)

    async def _transact(self, row: Row[D], items: list[_Item]) -> dict[_Item, Disposition]:
        """One transaction over these items. Items without a disposition were deferred by the handler."""
        tenants = sorted({item.envelope.tenant_id for item in items})
        async with self._database.transaction(tenants) as conn:
            uow = UnitOfWork(conn)
            known = await self._already_handled(uow, row, items)
            fresh = [item for item in items if item not in known]
            outcomes = await self._call(row, fresh, uow) if fresh else {}
            answers = self._answers_of(outcomes)
            if answers:
                await insert_answers(conn, answers)
            rows = [outbox_row(envelope) for envelope in uow.published]
            if rows:
                await insert_messages(conn, rows)
        self._relay.hand_over(rows)
        for wake in uow.on_commit:
            wake()
        replies = {(answer.tenant_id, answer.scope, answer.key): answer.reply for answer in answers}
        return known | {
            item: self._disposition(item, outcome, replies)
            for item, outcome in outcomes.items()
            if not isinstance(outcome, Deferred)
        }

    async def _already_handled(self, uow: UnitOfWork, row: Row[D], items: list[_Item]) -> dict[_Item, Disposition]:
        """Duplicates: a message whose id is in the inbox, a request whose key has an answer."""
        known: dict[_Item, Disposition] = {}
        plain = [item for item in items if _request_key(item) is None and item.request is None]
        if plain:
            new = await claim_messages(uow.conn, row.lane.name, [item.envelope.id for item in plain])
            known |= {item: Ack() for item in plain if item.envelope.id not in new}
            known |= _repeats(plain)
        keyed = {key: item for item in items if (key := _request_key(item)) is not None}
        if keyed:
            for stored in await load_answers(uow.conn, list(keyed)):
                item = keyed[stored.tenant_id, stored.scope, stored.key]
                request = cast("Envelope[Request]", item.envelope)
                known[item] = Reply(repeated(self._answers, request, stored)) if item.incoming.wants_reply else Ack()
        return known

    async def _call(self, row: Row[D], items: list[_Item], uow: UnitOfWork) -> dict[_Item, ListOutcome]:
        envelopes = [item.envelope for item in items]
        outcomes = await row.handle(envelopes, uow, self._deps)
        for outcome in outcomes:
            if isinstance(outcome, Discard):
                raise _Discarded(outcome.reason)
        return dict(zip(items, outcomes, strict=True))

    def _answers_of(self, outcomes: dict[_Item, ListOutcome]) -> list[StoredAnswer]:
        found = (
            stored_answer(self._answers, cast("Envelope[Request]", item.envelope), outcome)
            for item, outcome in outcomes.items()
            if isinstance(item.envelope.data, Request) and isinstance(outcome, Ok | Refused)
        )
        return sorted(
            (answer for answer in found if answer), key=lambda answer: (answer.tenant_id, answer.scope, answer.key)
        )

    def _disposition(
        self, item: _Item, outcome: Outcome, replies: dict[tuple[UUID, str, str], bytes | None]
    ) -> Disposition:
        if item.request is None:
            return Ack()
        key = _request_key(item)
        stored = replies.get(key) if key else None
        return Reply(stored or seal_answer(self._answers, item.request, outcome))

    def _refused(self, request: Envelope[Request], code: RefusalCode) -> Disposition:
        return Reply(seal_answer(self._answers, request, Refused(Refusal(code=code))))

    def _discarded(self, item: _Item, reason: str) -> Disposition:
        return self._refused(item.request, RefusalCode.INTERNAL_ERROR) if item.request else Dead(reason)

    def _failed(self, item: _Item, error: Exception) -> Disposition:
        log.error("handler_failed", lane=item.incoming.lane, type=item.envelope.data.type, error=error)
        return self._discarded(item, type(error).__name__) if item.request else Retry(type(error).__name__)

    async def _wait_for_store(self, item: _Item) -> None:
        """Hold the message until the database is back: no attempt is burnt, and a full window pauses the lane."""
        log.warning("store_unavailable", lane=item.incoming.lane)
        await wait_until_up(self._database)

    def _report(self, row: Row[D], item: _Item, disposition: Disposition, seconds: float) -> None:
        outcome = type(disposition).__name__.lower()
        MESSAGES_HANDLED.labels(lane=row.lane.name, type=item.envelope.data.type, outcome=outcome).inc()
        log.info(
            "message",
            lane=row.lane.name,
            type=item.envelope.data.type,
            outcome=outcome,
            milliseconds=round(seconds * 1000, 1),
            attempt=item.incoming.attempt,
            message_id=str(item.envelope.id),
            correlation_id=str(item.envelope.correlation_id),
            tenant_id=str(item.envelope.tenant_id),
        )


def _request_key(item: _Item) -> tuple[UUID, str, str] | None:
    data = item.envelope.data
    if isinstance(data, Request) and data.request is not None:
        return item.envelope.tenant_id, data.request.scope, data.request.key
    return None


def _repeats(items: list[_Item]) -> dict[_Item, Disposition]:
    """The same message twice within one batch: the first one counts."""
    seen: set[UUID] = set()
    twice: dict[_Item, Disposition] = {}
    for item in items:
        if item.envelope.id in seen:
            twice[item] = Ack()
        seen.add(item.envelope.id)
    return twice
