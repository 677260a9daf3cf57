"""Requests to one lane travel together: while a frame is on its way, those that arrive wait and make up the next one.

Alone, a request waits for nothing. A commit and a message cost the same for one command as for many, so that a busy
lane becomes cheaper a command, and is faster with one frame on its way than with several small ones. For the same
reason the next frame does not leave the moment that one arrives: those who were answered ask again, and whoever does so
while the process is still at work goes with it. Otherwise two groups would take turns, each half as large for ever
(ADR 0011).
"""

import asyncio
import datetime as dt
import functools
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.clock import host_now, monotonic
from shared.messaging.bus import Outgoing, Unavailable

MOST_MESSAGES = 64  # in a frame
SHARE = 4  # of a frame one tenant has one part in so many, as long as another one has asked, too
MOST_BYTES = 256 * 1024  # of a frame's bodies; a larger one travels by itself
MOST_FRAMES = 4  # on their way at once
SLOW_AFTER = 0.15  # seconds without an answer after which another frame may go
SLOWER = 3  # times as long as the last one has a frame, on a busy machine, where two small ones cost it more than one
SLOWEST = 4  # times `SLOW_AFTER`, and not longer
LAST_CALLS = 10  # turns of the event loop in which nobody asks, and then the next frame goes: well below a millisecond
LONGEST_CALL = 0.02  # seconds, where somebody asks in every turn
MOST_HELD = 2_000  # requests to one lane in one process: two seconds of a busy lane; more would come too late


@dataclass(slots=True, eq=False)
class Asked:
    """A request and whoever waits for its reply."""

    outgoing: Outgoing
    reply: "asyncio.Future[bytes]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_over(self, now: dt.datetime) -> bool:
        """Whether nobody waits any more."""
        expires_at = self.outgoing.expires_at
        return self.reply.done() or (expires_at is not None and expires_at <= now)


Travel = Callable[[Sequence[Asked]], Coroutine[Any, Any, None]]
"""Brings a frame to its lane, gives everybody in it their reply or error, and returns when that is done. It does not
raise."""

Turns = OrderedDict[Asked, None]
"""A queue that may be left from its middle."""


@dataclass(slots=True, eq=False)
class _Holding:
    """What one tenant has asked and has no reply to; it is there as long as there is any."""

    tenant_id: UUID | None
    count: int = 0
    waiting: Turns = field(default_factory=OrderedDict)  # for a frame
    lines: dict[str, Turns] = field(default_factory=dict)  # by subject: the first waits or is under way, others behind


class Coalescing:
    """The requests to one lane that have no reply yet.

    Those that may travel wait by tenant, and tenants take turns. Whoever waits for a frame waits for all that is judged
    with it, so while somebody else asks, or has just been answered and may ask again, a tenant that floods the lane has
    a small part of each: frames are then short, and more of them go. Of one subject only one is under way: a person's
    second attempt is judged after the first one.
    """

    def __init__(
        self, travel: Travel, *, most_messages: int, slow_after: float = SLOW_AFTER, longest_call: float = LONGEST_CALL
    ) -> None:
        """``most_messages``: in a frame. With one, nobody waits for anybody."""
        self._travel = travel
        self._slow_after = slow_after
        self._longest_call = longest_call
        self._most_messages = min(most_messages, MOST_MESSAGES)
        self._held = 0
        self._holdings: dict[UUID | None, _Holding] = {}  # by tenant
        self._waiting: OrderedDict[_Holding, None] = OrderedDict()  # whose turn is next, first
        self._lately: set[UUID | None] = set()  # whose requests were in the last frame
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._frames: dict[asyncio.Task[None], int] = {}  # of those, with their size; the others travel by themselves
        self._quick: set[asyncio.Task[None]] = set()  # frames that are not slow yet
        self._took = 0.0  # seconds: the last frame that arrived
        self._last_calls = 0  # turns to go until the next frame leaves
        self._calls_until: float | None = None  # monotonic seconds; None while no frame has just arrived

    def put(self, asked: Asked) -> None:
        """Take a request. Raises `Unavailable` at once when too many have no reply yet, or too many of its tenant."""
        tenant_id = asked.outgoing.tenant_id
        holding = self._holdings.get(tenant_id) or _Holding(tenant_id)
        if self._held >= MOST_HELD or holding.count >= self._share_of(holding):
            raise Unavailable("too many requests are waiting")
        self._holdings[tenant_id] = holding
        holding.count += 1
        self._held += 1
        self._last_calls = LAST_CALLS
        asked.reply.add_done_callback(functools.partial(self._leave, asked, holding))
        if self._is_first_of_subject(asked, holding):
            self._let_travel(asked, holding)
            self._set_out()

    async def wait_idle(self) -> None:
        """Wait until nothing is on its way."""
        while self._on_their_way or self._calls_until is not None:
            await (asyncio.wait(self._on_their_way) if self._on_their_way else asyncio.sleep(0))

    def _share_of(self, holding: _Holding) -> int:
        """How many one tenant may hold: of those that hold some, each as much, and as much is left for one more."""
        others = len(self._holdings) - (holding.count > 0)
        return MOST_HELD // (others + 2)

    def _is_first_of_subject(self, asked: Asked, holding: _Holding) -> bool:
        subject = asked.outgoing.subject
        if subject is None or self._most_messages == 1:
            return True
        line = holding.lines.setdefault(subject, OrderedDict())
        line[asked] = None
        return len(line) == 1

    def _let_travel(self, asked: Asked, holding: _Holding) -> None:
        """Headers are one by one: a member of a frame has none."""
        outgoing = asked.outgoing
        if self._most_messages == 1 or outgoing.goes_alone or outgoing.headers:
            self._start([asked])
        else:
            holding.waiting[asked] = None
            self._waiting[holding] = None

    def _leave(self, asked: Asked, holding: _Holding, _reply: "asyncio.Future[bytes]") -> None:
        """It has its reply, or nobody waits for it any more."""
        self._held -= 1
        holding.count -= 1
        if not holding.count:
            del self._holdings[holding.tenant_id]
        holding.waiting.pop(asked, None)
        if not holding.waiting:
            self._waiting.pop(holding, None)
        self._let_next_travel(asked, holding)
        self._set_out()

    def _let_next_travel(self, asked: Asked, holding: _Holding) -> None:
        """Who is behind it, if it was the first of its subject."""
        subject = asked.outgoing.subject or ""
        line = holding.lines.get(subject)
        if line is None:
            return
        was_first = next(iter(line)) is asked
        line.pop(asked, None)
        if not line:
            del holding.lines[subject]
        elif was_first:
            self._let_travel(next(iter(line)), holding)

    def _set_out(self) -> None:
        while (
            self._waiting
            and self._calls_until is None
            and not self._quick
            and len(self._frames) < MOST_FRAMES
            and (frame := self._take())
        ):
            task = self._start(frame)
            self._frames[task] = len(frame)
            self._quick.add(task)
            patience = patience_after(self._took, slow_after=self._slow_after)
            slow = asyncio.get_running_loop().call_later(patience, self._is_slow, task)
            task.add_done_callback(functools.partial(self._has_taken, monotonic(), slow))

    def _start(self, frame: Sequence[Asked]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._travel(frame))
        self._on_their_way.add(task)
        task.add_done_callback(self._has_arrived)
        return task

    def _is_slow(self, task: asyncio.Task[None]) -> None:
        self._quick.discard(task)
        self._set_out()

    def _has_taken(self, since: float, slow: asyncio.TimerHandle, _task: asyncio.Task[None]) -> None:
        self._took = monotonic() - since
        slow.cancel()

    def _has_arrived(self, task: asyncio.Task[None]) -> None:
        size = self._frames.pop(task, 0)
        self._on_their_way.discard(task)
        self._quick.discard(task)
        if self._calls_until is None and (size > 1 or self._waiting):
            self._calls_until = monotonic() + self._longest_call
            self._last_calls = LAST_CALLS
            self._call()

    def _call(self) -> None:
        """Leave when nobody came for some turns of the loop, nobody fits in any more, or it has been long enough."""
        is_full = sum(len(each.waiting) for each in self._waiting) >= self._most_messages
        if self._last_calls and not is_full and monotonic() < (self._calls_until or 0):
            self._last_calls -= 1
            asyncio.get_running_loop().call_soon(self._call)
        else:
            self._calls_until = None
            self._set_out()

    def _take(self) -> list[Asked]:
        """The next frame: of each tenant one, and again. Who had a turn is behind those who had none."""
        frame: list[Asked] = []
        taken: Counter[_Holding] = Counter()
        is_alone = len(self._holdings.keys() | self._lately) == 1
        most_of_one = self._most_messages if is_alone else max(1, self._most_messages // SHARE)
        size, now = 0, host_now()
        turns = deque(self._waiting)
        while turns and len(frame) < self._most_messages:
            holding = turns.popleft()
            asked = next(iter(holding.waiting))
            if not asked.is_over(now):  # else it leaves by itself, now
                size += len(asked.outgoing.body)
                if frame and size > MOST_BYTES:
                    break
                frame.append(asked)
                taken[holding] += 1
            del holding.waiting[asked]
            if holding.waiting:
                self._waiting.move_to_end(holding)
                if taken[holding] < most_of_one:
                    turns.append(holding)
            else:
                del self._waiting[holding]
        self._lately = {each.tenant_id for each in taken} or self._lately
        return frame


def patience_after(took: float, *, slow_after: float = SLOW_AFTER) -> float:
    """Seconds that a frame is alone on its way, when the last one took so many."""
    return max(slow_after, min(SLOWER * took, SLOWEST * slow_after))
