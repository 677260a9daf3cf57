"""Requests that travel together: who goes with whom, who waits for whom, and for how long nobody does."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from shared.clock import host_now
from shared.ids import new_id
from shared.messaging.bus import Exchange, Outgoing, Unavailable
from shared.messaging.coalescing import (
    LAST_CALLS,
    MOST_BYTES,
    MOST_FRAMES,
    MOST_HELD,
    MOST_MESSAGES,
    Asked,
    Coalescing,
    patience_after,
)
from tests.support.receiver import eventually

ACME, OTHER, THIRD = new_id(), new_id(), new_id()
MINUTE = dt.timedelta(minutes=1)
NEVER, AT_ONCE = 3600.0, 0.0  # seconds after which a frame is slow


class Road:
    """Where frames travel; they arrive when a test says so."""

    def __init__(self) -> None:
        self.frames: list[list[Asked]] = []
        self._arrivals: list[asyncio.Event] = []

    async def travel(self, frame: Sequence[Asked]) -> None:
        """See `Travel`."""
        arrival = asyncio.Event()
        self.frames.append(list(frame))
        self._arrivals.append(arrival)
        await arrival.wait()
        for each in frame:
            if not each.reply.done():
                each.reply.set_result(b"yes")

    def open(self, number: int) -> None:
        """Let a frame arrive."""
        self._arrivals[number].set()

    async def arrive(self, number: int = -1) -> None:
        """A frame is there, and what follows from it has happened."""
        self.open(number)
        await _settled()

    @property
    def bodies(self) -> list[list[bytes]]:
        """What was in each frame."""
        return [[each.outgoing.body for each in frame] for frame in self.frames]


async def _settled() -> None:
    for _ in range(5 + LAST_CALLS):
        await asyncio.sleep(0)


def _asked(
    body: bytes,
    *,
    tenant_id: UUID = ACME,
    subject: str | None = None,
    goes_alone: bool = False,
    left: dt.timedelta = MINUTE,
) -> Asked:
    return Asked(
        Outgoing(
            message_id=new_id(),
            exchange=Exchange.COMMANDS,
            routing_key="lane",
            body=body,
            expires_at=host_now() + left,
            tenant_id=tenant_id,
            subject=subject,
            goes_alone=goes_alone,
        )
    )


@asynccontextmanager
async def _lane(
    *, most_messages: int = MOST_MESSAGES, slow_after: float = NEVER, longest_call: float = NEVER
) -> AsyncIterator[tuple[Coalescing, Road]]:
    """A lane; at the end whatever is on its way arrives."""
    road = Road()
    coalescing = Coalescing(road.travel, most_messages=most_messages, slow_after=slow_after, longest_call=longest_call)
    yield coalescing, road
    while any(not each.reply.done() for frame in road.frames for each in frame):
        for number in range(len(road.frames)):
            await road.arrive(number)
    await coalescing.wait_idle()


async def _put(coalescing: Coalescing, *asked: Asked) -> None:
    for each in asked:
        coalescing.put(each)
    await _settled()


async def _ask_again(coalescing: Coalescing, answered: Asked, asked: Asked) -> None:
    """As a caller does: some turns of the loop after the answer."""
    await answered.reply
    for _ in range(LAST_CALLS // 2):
        await asyncio.sleep(0)
    coalescing.put(asked)


def _taken(coalescing: Coalescing, asked: Sequence[Asked]) -> int:
    """How many of them were not refused."""
    taken = 0
    for each in asked:
        with contextlib.suppress(Unavailable):
            coalescing.put(each)
            taken += 1
    return taken


async def test_alone_a_request_waits_for_nothing() -> None:
    """A frame that waits to fill would cost every login that time in quiet hours."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"1"))
        assert road.bodies == [[b"1"]]


async def test_those_that_arrive_meanwhile_travel_together() -> None:
    """One commit for all of them is what makes a busy lane cheaper a login."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, *(_asked(b"%d" % number) for number in range(4)))
        assert road.bodies == [[b"0"]]
        await road.arrive()
        assert road.bodies == [[b"0"], [b"1", b"2", b"3"]]


async def test_who_asks_one_request_after_another_waits_for_nothing() -> None:
    """In quiet hours there is nobody to wait for."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"1"))
        road.open(0)
        for _ in range(LAST_CALLS // 2):
            await asyncio.sleep(0)
        coalescing.put(_asked(b"2"))
        await asyncio.sleep(0)
        assert road.bodies == [[b"1"], [b"2"]]


async def test_who_was_answered_and_asks_again_travels_with_those_who_waited() -> None:
    """Else callers fall into two groups that take turns, and every frame is half of what it could be."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"first"), _asked(b"waited"))
        again = asyncio.create_task(_ask_again(coalescing, road.frames[0][0], _asked(b"again")))
        await road.arrive()
        await again
        await _settled()
        assert road.bodies == [[b"first"], [b"waited", b"again"]]


async def test_nobody_waits_for_callers_who_keep_coming() -> None:
    """A stream of requests would hold back the first of them for as long as it lasts."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"first"), _asked(b"waited"))
        road.open(0)
        for _ in range(MOST_MESSAGES):
            coalescing.put(_asked(b"more"))
            await asyncio.sleep(0)
        await _settled()
        assert [len(frame) for frame in road.frames][:2] == [1, MOST_MESSAGES]


async def test_frame_holds_no_more_messages_than_a_worker_takes() -> None:
    """More would be judged in two transactions, and the first ones wait for the second."""
    async with _lane(most_messages=1_000) as (coalescing, road):
        await _put(coalescing, *(_asked(b"x") for _ in range(1 + MOST_MESSAGES + 1)))
        await road.arrive()
        await road.arrive()
        assert [len(frame) for frame in road.frames] == [1, MOST_MESSAGES, 1]


async def test_frame_holds_no_more_bytes_than_a_broker_likes() -> None:
    """A message of megabytes holds up all others on its connection; a large request goes by itself all the same."""
    half = b"x" * (MOST_BYTES // 2)
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"first"), _asked(half), _asked(half), _asked(b"more"), _asked(half * 3))
        for _ in range(3):
            await road.arrive()
        assert [len(frame) for frame in road.frames] == [1, 2, 1, 1]


async def test_tenants_take_turns() -> None:
    """A tenant that floods the lane must not make another one's login wait behind the flood."""
    async with _lane(most_messages=8) as (coalescing, road):
        await _put(coalescing, *(_asked(b"a%d" % number) for number in range(8)))
        await _put(coalescing, *(_asked(b"b%d" % number, tenant_id=OTHER) for number in range(2)))
        await _put(coalescing, _asked(b"c0", tenant_id=THIRD))
        await road.arrive()
        assert road.bodies[1] == [b"a1", b"b0", b"c0", b"a2", b"b1"]
        await _put(coalescing, _asked(b"c1", tenant_id=THIRD))
        await road.arrive()
        assert road.bodies[2] == [b"a3", b"c1", b"a4"]


async def test_frames_are_short_while_one_tenant_floods_and_another_asks() -> None:
    """Whoever waits for a frame waits for everybody in it; alone again, the flood has whole frames, which cost less."""
    async with _lane(most_messages=8) as (coalescing, road):
        await _put(coalescing, *(_asked(b"flood") for _ in range(30)))
        await _put(coalescing, _asked(b"other", tenant_id=OTHER))
        await road.arrive()
        assert road.bodies[1] == [b"flood", b"other", b"flood"]
        await _put(coalescing, _asked(b"other again", tenant_id=OTHER))
        await road.arrive()
        assert road.bodies[2] == [b"flood", b"other again", b"flood"]
        await road.arrive()
        assert road.bodies[3] == [b"flood"] * 2  # the other one has just been answered, and may ask again
        await road.arrive()
        assert road.bodies[4] == [b"flood"] * 8


async def test_turns_go_on_from_frame_to_frame() -> None:
    """With more tenants than fit into a frame those who had no turn are first in the next one."""
    tenants = [new_id() for _ in range(5)]
    async with _lane(most_messages=2) as (coalescing, road):
        await _put(coalescing, _asked(b"first"))
        for _ in range(2):
            await _put(coalescing, *(_asked(b"%d" % place, tenant_id=each) for place, each in enumerate(tenants)))
        for _ in range(5):
            await road.arrive()
        assert road.bodies[1:] == [[b"0", b"1"], [b"2", b"3"], [b"4", b"0"], [b"1", b"2"], [b"3", b"4"]]


async def test_of_one_subject_only_one_is_under_way() -> None:
    """Two codes typed one after the other are two attempts in that order, also when the first one's frame is slow."""
    async with _lane(slow_after=AT_ONCE) as (coalescing, road):
        await _put(coalescing, *(_asked(b"ann%d" % number, subject="ann") for number in range(3)))
        await _put(coalescing, _asked(b"bob", subject="bob"))
        await eventually(lambda: len(road.frames) == 2)
        assert road.bodies == [[b"ann0"], [b"bob"]]
        await road.arrive(1)
        assert len(road.frames) == 2
        await road.arrive(0)
        assert road.bodies[2:] == [[b"ann1"]]
        await road.arrive(2)
        assert road.bodies[3:] == [[b"ann2"]]


async def test_another_tenants_subject_of_the_same_name_waits_for_nobody() -> None:
    """Account ids are the helpdesks' own: two tenants have an "ann" each, and neither may hold up the other's."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"before", tenant_id=OTHER))
        await _put(coalescing, *(_asked(b"ann", tenant_id=each, subject="ann") for each in (ACME, OTHER)))
        await road.arrive(0)
        assert road.bodies[1:] == [[b"ann", b"ann"]]


async def test_next_of_a_subject_follows_its_reply_and_not_its_frame() -> None:
    """A neighbour whose answer is late must not hold up a person's second attempt."""
    async with _lane(slow_after=AT_ONCE) as (coalescing, road):
        first, late = _asked(b"ann0", subject="ann"), _asked(b"bob", subject="bob")
        await _put(coalescing, _asked(b"before"), first, late, _asked(b"ann1", subject="ann"))
        await eventually(lambda: len(road.frames) == 2)
        assert road.bodies[1] == [b"ann0", b"bob"]
        first.reply.set_result(b"no")
        await eventually(lambda: len(road.frames) == 3)
        assert road.bodies[2] == [b"ann1"]


async def test_one_behind_that_gave_up_is_passed_over() -> None:
    """Whoever closed the page while another try was judged has no try of his own any more."""
    async with _lane() as (coalescing, road):
        given_up = _asked(b"ann1", subject="ann")
        await _put(coalescing, _asked(b"ann0", subject="ann"), given_up, _asked(b"ann2", subject="ann"))
        given_up.reply.cancel()
        await road.arrive()
        assert road.bodies == [[b"ann0"], [b"ann2"]]


async def test_whom_nobody_waits_for_does_not_travel() -> None:
    """A code judged after its login was refused with 503 would be spent for nothing."""
    async with _lane() as (coalescing, road):
        given_up, expired = _asked(b"given up"), _asked(b"expired", left=-MINUTE)
        await _put(coalescing, _asked(b"0"), given_up, expired, _asked(b"1"))
        given_up.reply.cancel()
        await road.arrive()
        assert road.bodies == [[b"0"], [b"1"]]
        expired.reply.cancel()


async def test_what_takes_long_goes_alone_and_at_once() -> None:
    """A backup code's slow hash would hold up the answers of all the others in its frame."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, _asked(b"0"), _asked(b"backup code", goes_alone=True), _asked(b"1"))
        assert road.bodies == [[b"0"], [b"backup code"]]
        await road.arrive(0)
        assert road.bodies[2] == [b"1"]


async def test_slow_frame_is_followed_by_few_others() -> None:
    """One worker that hangs must not be everybody's outage; nor may a dead lane fill with requests nobody hears of."""
    async with _lane(most_messages=2, slow_after=AT_ONCE) as (coalescing, road):
        await _put(coalescing, *(_asked(b"x") for _ in range(20)))
        await eventually(lambda: len(road.frames) >= MOST_FRAMES and not coalescing._quick)
        await _settled()
        assert len(road.frames) == MOST_FRAMES
        await road.arrive(0)
        assert len(road.frames) == MOST_FRAMES + 1


@pytest.mark.parametrize(("took", "patience"), [(0.0, 0.15), (0.04, 0.15), (0.1, 0.3), (0.2, 0.6), (2.5, 0.6)])
def test_a_frame_is_not_slow_that_takes_as_long_as_the_last_one(took: float, patience: float) -> None:
    """On a busy machine all are slow, and frames that went in twos and threes would make it busier; an outage is found
    out in good time all the same.
    """
    assert patience_after(took) == pytest.approx(patience)


async def test_lane_that_takes_one_at_a_time_makes_nobody_wait() -> None:
    """Such lanes have slow work: an enrolment hashes ten codes, and two of them are two workers' work."""
    async with _lane(most_messages=1) as (coalescing, road):
        await _put(coalescing, *(_asked(b"%d" % number, subject="ann") for number in range(3)))
        assert road.bodies == [[b"0"], [b"1"], [b"2"]]


async def test_too_many_are_refused_at_once() -> None:
    """A queue that grows answers nobody in time; refused at once, a helpdesk may ask another gateway, or wait."""
    async with _lane() as (coalescing, road):
        asked = [_asked(b"x", subject="ann" if number % 2 else None) for number in range(MOST_HELD // 2)]
        await _put(coalescing, *asked)
        with pytest.raises(Unavailable):
            coalescing.put(_asked(b"one too many"))
        for each in asked[1:]:
            each.reply.cancel()
        await _settled()
        await _put(coalescing, _asked(b"room again"))
        await road.arrive()
        assert road.bodies == [[b"x"], [b"room again"]]


async def test_a_flood_of_one_tenant_leaves_room_for_the_others() -> None:
    """Whoever asks without end is refused; the others get into the very next frame, before all that waits of it."""
    async with _lane() as (coalescing, road):
        flood = [_asked(b"flood") for _ in range(MOST_HELD)]
        assert _taken(coalescing, flood) == MOST_HELD // 2
        await _put(coalescing, _asked(b"other", tenant_id=OTHER))
        assert _taken(coalescing, [_asked(b"third", tenant_id=THIRD) for _ in range(MOST_HELD)]) == MOST_HELD // 4
        assert _taken(coalescing, [_asked(b"flood")]) == 0
        await _settled()
        await road.arrive()
        assert road.bodies[1][:4] == [b"flood", b"other", b"third", b"flood"]


async def test_many_tenants_together_hold_no_more_than_there_is_room_for() -> None:
    """Shares are of what there is: a thousand helpdesks in trouble must not fill the memory of a gateway."""
    async with _lane() as (coalescing, _road):
        tenants = [new_id() for _ in range(60)]
        asked = [_asked(b"x", tenant_id=tenant) for _ in range(MOST_HELD // 10) for tenant in tenants]
        assert MOST_HELD * 9 // 10 < _taken(coalescing, asked) <= MOST_HELD
        await _settled()


async def test_nothing_is_kept_of_those_that_left() -> None:
    """A gateway runs for months: every subject it has ever heard of would be a leak."""
    async with _lane() as (coalescing, road):
        await _put(coalescing, *(_asked(b"x", subject=f"{number % 3}") for number in range(9)))
        while any(not arrival.is_set() for arrival in road._arrivals):
            await road.arrive()
        assert [*coalescing._waiting, *coalescing._holdings, *coalescing._on_their_way] == []
        assert not coalescing._held
