"""One transaction over messages: claim them, or find the answer already given; handle; store what is said; commit."""

from collections.abc import Sequence
from typing import Generic, TypeVar, cast

from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope
from shared.crypto.keyring import KeyRing
from shared.db.pool import Database
from shared.messaging.answering import repeated, seal_answer, stored_answer
from shared.messaging.answers import AnsweredMeanwhile, StoredAnswer, load_answers
from shared.messaging.bus import Ack, Disposition, Reply
from shared.messaging.handler_table import Row
from shared.messaging.inbox import claim_messages
from shared.messaging.item import Item, RequestId
from shared.messaging.outbox import insert_messages
from shared.messaging.outcome import Deferred, Discard, ListOutcome, Ok, Outcome, Refused
from shared.messaging.relay import Relay
from shared.messaging.said import insert_said
from shared.messaging.unit_of_work import UnitOfWork, outbox_row

D = TypeVar("D")


class Apart(Exception):
    """Rolls back: these must not share a transaction with the others.

    Discarded, they roll their own work back; deferred, their rows in the inbox would commit, and they be lost.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        super().__init__(len(items))
        self.items = frozenset(items)


class Discarded(Exception):
    """Rolls back: the handler says that this message will never succeed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HandlerMiscounted(Exception):
    """The handler gave another number of outcomes than it got messages."""


class Transactor(Generic[D]):
    """Runs a handler between the claim and the commit. Whatever raises leaves nothing behind."""

    def __init__(self, *, deps: D, database: Database, relay: Relay, answers: KeyRing) -> None:
        """``answers``: the ring ``seal.gateway``."""
        self._deps = deps
        self._database = database
        self._relay = relay
        self._answers = answers

    async def handle(self, row: Row[D], items: Sequence[Item], *, looks_up: bool = True) -> dict[Item, Disposition]:
        """One transaction over these items. Requests without a disposition were deferred.

        ``looks_up``: look for answers given before, then decide. Without, a request that was answered is decided again
        for nothing: its second answer conflicts with the first one (`AnsweredMeanwhile`), and all is rolled back.

        Raises `Apart` (of several), `Discarded` (of one), `HandlerMiscounted`, and what handler and database raise.
        """
        tenants = sorted({item.envelope.tenant_id for item in items})
        async with self._database.transaction(tenants) as conn:
            uow = UnitOfWork(conn)
            known = await self._claim(uow, row, items)
            if looks_up:
                known |= await self._already_answered(uow, row, [item for item in items if item not in known])
            fresh = [item for item in items if item not in known]
            outcomes = await self._call(row, fresh, uow) if fresh else {}
            if not looks_up and any(_leaves_no_answer(*each) for each in outcomes.items()):
                raise AnsweredMeanwhile  # perhaps: it would conflict with nothing
            answers = self._answers_of(outcomes)
            rows = [outbox_row(envelope) for envelope in uow.published]
            if answers:
                rows = await insert_said(conn, answers, rows)
            elif rows:
                rows = await insert_messages(conn, rows)
        self._relay.hand_over(rows)
        for wake in uow.on_commit:
            wake()
        replies = {(answer.tenant_id, answer.scope, answer.key): answer.reply for answer in answers}
        return known | {
            item: self._disposition(item, outcome, replies)
            for item, outcome in outcomes.items()
            if not isinstance(outcome, Deferred)
        }

    async def sift(self, row: Row[D], items: Sequence[Item]) -> list[Item]:
        """Those of these items that may have an effect; nothing is written. Raises what sieve and database raise."""
        if row.sift is None:
            return list(items)
        tenants = sorted({item.envelope.tenant_id for item in items})
        async with self._database.transaction(tenants) as conn:
            said = await row.sift([item.envelope for item in items], conn)
        return [item for item, has_effect in zip(items, said, strict=True) if has_effect]

    async def _claim(self, uow: UnitOfWork, row: Row[D], items: Sequence[Item]) -> dict[Item, Disposition]:
        """Duplicates: messages whose ids are in the inbox. Requests are not claimed: their answers tell."""
        known: dict[Item, Disposition] = {}
        claimed = [item for item in items if item.request is None]
        if claimed:
            new = await claim_messages(uow.conn, row.lane.name, [item.envelope.id for item in claimed])
            for item in claimed:
                if item.envelope.id in new:
                    new.discard(item.envelope.id)  # the same message again within the batch: the first one counts
                else:
                    known[item] = Ack()
        return known

    async def _already_answered(self, uow: UnitOfWork, row: Row[D], items: Sequence[Item]) -> dict[Item, Disposition]:
        """Duplicates: requests whose keys have an answer."""
        known: dict[Item, Disposition] = {}
        keyed = {key: item for item in items if (key := item.request_id) is not None}
        if keyed:
            for stored in await load_answers(uow.conn, list(keyed)):
                item = keyed[stored.tenant_id, stored.scope, stored.key]
                known[item] = Reply(await self._again(uow, row, item.request, stored)) if item.request else Ack()
        return known

    async def _again(self, uow: UnitOfWork, row: Row[D], request: Envelope[Request], stored: StoredAnswer) -> bytes:
        """The answer as it was given; one that holds a secret only to who may still hear it."""
        if stored.holds_secret and row.refuses_again is not None:
            refused = await row.refuses_again(request, uow, self._deps)
            if refused is not None:
                return seal_answer(self._answers, request, refused)
        return repeated(self._answers, request, stored)

    async def _call(self, row: Row[D], items: Sequence[Item], uow: UnitOfWork) -> dict[Item, ListOutcome]:
        said = await row.handle([item.envelope for item in items], uow, self._deps)
        if len(said) != len(items):
            raise HandlerMiscounted
        if len(said) == 1 and isinstance(said[0], Discard):
            raise Discarded(said[0].reason)
        outcomes = dict(zip(items, said, strict=True))
        apart = [item for item, outcome in outcomes.items() if _needs_its_own(item, outcome)]
        if apart:
            raise Apart(apart)
        return outcomes

    def _answers_of(self, outcomes: dict[Item, ListOutcome]) -> list[StoredAnswer]:
        found = (
            stored_answer(self._answers, cast("Envelope[Request]", item.envelope), outcome)
            for item, outcome in outcomes.items()
            if isinstance(item.envelope.data, Request) and isinstance(outcome, Ok | Refused)
        )
        return sorted(
            (answer for answer in found if answer), key=lambda answer: (answer.tenant_id, answer.scope, answer.key)
        )

    def _disposition(self, item: Item, outcome: Outcome, replies: dict[RequestId, bytes | None]) -> Disposition:
        if item.request is None:
            return Ack()
        stored = replies.get(item.request_id) if item.request_id else None
        return Reply(stored or seal_answer(self._answers, item.request, outcome))


def _leaves_no_answer(item: Item, outcome: ListOutcome) -> bool:
    return item.request_id is not None and not isinstance(outcome, Ok | Refused | Deferred)


def _needs_its_own(item: Item, outcome: ListOutcome) -> bool:
    return isinstance(outcome, Discard) or (isinstance(outcome, Deferred) and item.request is None)
