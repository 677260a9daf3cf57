"""A service's consumers as a table: message type → handler. The types of each row are checked."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shared.contracts.envelope import Envelope, Event, Message
from shared.db.connection import Connection
from shared.messaging.outcome import ListOutcome, Outcome, Refused
from shared.messaging.topology import Lane
from shared.messaging.unit_of_work import UnitOfWork

M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=Event)
D = TypeVar("D")

One = Callable[[Envelope[M], UnitOfWork, D], Awaitable[Outcome]]
Guard = Callable[[Envelope[M], UnitOfWork, D], Awaitable[Refused | None]]
Many = Callable[[Sequence[Envelope[M]], UnitOfWork, D], Awaitable[Sequence[ListOutcome]]]
Sift = Callable[[Sequence[Envelope[M]], Connection], Awaitable[Sequence[bool]]]
IsNews = Callable[[Envelope[M]], bool]


@dataclass(frozen=True, slots=True)
class Row(Generic[D]):
    """One message type and who handles it. A handler of lists gets what arrived together and gives one outcome each.

    Rows are equal when their handler is the same: what arrives together for it, of whatever types, is one list.
    """

    message: type[Message] = field(compare=False)
    lane: Lane
    takes_list: bool
    handle: Callable[[Sequence[Envelope[Any]], UnitOfWork, D], Awaitable[Sequence[ListOutcome]]]
    refuses_again: Guard[Any, D] | None = field(default=None, compare=False)
    sift: Sift[Any] | None = field(default=None, compare=False)
    is_news: IsNews[Any] | None = field(default=None, compare=False)


def on(lane: Lane, message: type[M], handler: One[M, D], *, refuses_again: Guard[M, D] | None = None) -> Row[D]:
    """A handler of one message, in a transaction of its own.

    ``refuses_again``: asked before an answer that holds a secret is given again under the same Idempotency-Key. Who
    asked for it may not be who they were.
    """

    async def handle(envelopes: Sequence[Envelope[M]], uow: UnitOfWork, deps: D) -> Sequence[ListOutcome]:
        return [await handler(envelope, uow, deps) for envelope in envelopes]

    return Row(message, lane, takes_list=False, handle=handle, refuses_again=refuses_again)


def on_list(lane: Lane, message: type[M], handler: Many[M, D]) -> Row[D]:
    """A handler of a list: one transaction, set-based statements, an outcome for each."""
    return Row(message, lane, takes_list=True, handle=handler)


def sifted(sift: Sift[E], row: Row[D]) -> Row[D]:
    """A row for events of which nearly none has an effect here.

    ``sift`` is asked with one statement about all that came together, and says of each whether it may have one. What
    cannot have any is done with: it is not claimed, nothing is written, and once more it would do nothing again. All
    else is handled as if nobody had asked.
    """
    return dataclasses.replace(row, sift=sift)


def heeded_if(is_news: IsNews[E], row: Row[D]) -> Row[D]:
    """A row for events that say themselves whether they have an effect here: without one they cost no transaction."""
    return dataclasses.replace(row, is_news=is_news)


class HandlerTable(Generic[D]):
    """All rows of a service; each message has one handler on a lane."""

    def __init__(self, *rows: Row[D]) -> None:
        self._rows = {(row.lane.name, row.message): row for row in rows}
        if len(self._rows) != len(rows):
            raise ValueError("a message has two handlers on one lane")

    @property
    def lanes(self) -> list[Lane]:
        """The lanes that the table serves, in its order."""
        return list(dict.fromkeys(row.lane for row in self._rows.values()))

    @property
    def rows(self) -> list[Row[D]]:
        """Every row."""
        return list(self._rows.values())

    def row(self, lane: str, message: type[Message]) -> Row[D] | None:
        """Who handles this type on this lane; None: a lane of events gets more than it listens to."""
        return self._rows.get((lane, message))
