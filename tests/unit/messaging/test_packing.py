"""What leaves together: fewer messages, and none lost, doubled or sent to whom it does not concern."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from shared.clock import host_now
from shared.ids import new_id
from shared.messaging.bus import Exchange, Outgoing, PublishOutcome
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.frames import unpack
from shared.messaging.rabbitmq.packing import MOST_BYTES, MOST_MESSAGES, Consignment, Packing, worst
from shared.messaging.topology import Lane

AUDIT = Lane(name="audit", binds=("#",), batch=200)
POLICY = Lane(name="policy", binds=("factor.*",), batch=20)
WORK = Lane(name="work", batch=1_000)
SINGLE = Lane(name="single")
PACKING = Packing([AUDIT, POLICY, WORK, SINGLE])
EVENTS, COMMANDS = Exchange.EVENTS.value, Exchange.COMMANDS.value


def _event(routing_key: str = "login.decided", body: bytes = b"{}") -> Outgoing:
    return Outgoing(
        message_id=new_id(), exchange=Exchange.EVENTS, routing_key=routing_key, body=body, tenant_id=new_id()
    )


def _command(lane: Lane, body: bytes = b"{}") -> Outgoing:
    return Outgoing(message_id=new_id(), exchange=Exchange.COMMANDS, routing_key=lane.name, body=body)


def _addresses(consignments: Sequence[Consignment]) -> list[tuple[str, str, int]]:
    return [(each.parcel.exchange, each.parcel.routing_key, len(each.places)) for each in consignments]


def test_facts_leave_together_to_those_who_take_all() -> None:
    """Most facts are for the audit log alone: fifty of them are one write to disk, not fifty."""
    batch = [_event(f"login.{number}") for number in range(50)]
    [frame] = PACKING.consign(batch)
    assert _addresses([frame]) == [(names.RECORD_EXCHANGE, "", 50)]
    framed = unpack(frame.parcel.body, (frame.parcel.properties.headers or {})[names.FRAME])
    assert [(each.message_id, each.body) for each in framed] == [(each.message_id, each.body) for each in batch]


def test_facts_leave_a_second_time_to_those_who_listen_to_their_type() -> None:
    """Who takes a few types shall not have to read all of them."""
    batch = [_event("login.decided"), *(_event("factor.revoked") for _ in range(3)), _event("factor.confirmed")]
    assert _addresses(PACKING.consign(batch)) == [
        (names.RECORD_EXCHANGE, "", 5),
        (EVENTS, "factor.revoked", 3),
        (EVENTS, "factor.confirmed", 1),
    ]


def test_commands_leave_together_by_lane() -> None:
    """A thousand codes to be mailed are some twenty messages."""
    batch = [_command(WORK if number % 2 else SINGLE) for number in range(8)]
    assert Counter(_addresses(PACKING.consign(batch))) == {(COMMANDS, "work", 4): 1, (COMMANDS, "single", 1): 4}


def test_message_alone_is_no_frame() -> None:
    """Who knows no frames understands a quiet deployment; and its id is that of the message."""
    sent = _command(WORK)
    [alone] = PACKING.consign([sent])
    assert (alone.parcel.body, alone.parcel.properties.message_id) == (sent.body, str(sent.message_id))
    assert names.FRAME not in (alone.parcel.properties.headers or {})


def test_frame_is_no_larger_than_a_worker_and_a_broker_like() -> None:
    """One worker would have it all, while others have nothing to do; a message of megabytes holds up a connection."""
    many = PACKING.consign([_command(WORK) for _ in range(MOST_MESSAGES + 1)])
    assert [len(each.places) for each in many] == [MOST_MESSAGES, 1]
    listened = PACKING.consign([_event("factor.revoked") for _ in range(POLICY.batch + 1)])
    assert [len(each.places) for each in listened] == [POLICY.batch + 1, POLICY.batch, 1]
    large = PACKING.consign([_command(WORK, b"x" * size) for size in (10, MOST_BYTES - 10, 1, 2 * MOST_BYTES, 1)])
    assert [len(each.places) for each in large] == [2, 1, 1, 1]


def test_fact_for_a_tenants_own_queue_is_told_there_by_itself() -> None:
    """A tenant reads its events with its own code: it gets one a message, and nobody else's."""
    own = replace(_event(), has_own_queue=True)
    frame, alone = PACKING.consign([_event(), own, _event()])
    assert _addresses([frame, alone]) == [(names.RECORD_EXCHANGE, "", 3), (EVENTS, "login.decided", 1)]
    assert names.BLIND_COPY not in (frame.parcel.properties.headers or {})
    assert (alone.parcel.properties.headers or {})[names.BLIND_COPY] == [f"out.{own.tenant_id}"]
    assert not alone.parcel.is_mandatory  # the queue may be gone; the log has it


def test_lone_fact_is_not_told_to_its_tenants_queue_twice() -> None:
    """To the log it goes without the second address."""
    to_the_log, _ = PACKING.consign([replace(_event(), has_own_queue=True)])
    assert names.BLIND_COPY not in (to_the_log.parcel.properties.headers or {})


def test_what_has_headers_leaves_by_itself() -> None:
    """A frame has none for each of those in it: an expiry that got lost would have a code sent late."""
    batch = [
        _command(WORK),
        replace(_command(WORK), expires_at=host_now()),
        replace(_command(WORK), headers={"a": "b"}),
    ]
    assert [each.places for each in PACKING.consign(batch)] == [(0,), (1,), (2,)]


def test_what_is_for_nobody_leaves_all_the_same() -> None:
    """Only the broker can say that no queue takes it; kept back here, its row would count as published."""
    nobody = Packing([WORK])
    batch = [_event("login.decided"), _command(SINGLE)]
    consignments = nobody.consign(batch)
    assert [each.parcel.is_mandatory for each in consignments] == [True, True]
    assert sorted(place for each in consignments for place in each.places) == [0, 1]


def test_no_message_is_left_behind() -> None:
    """The places are what the relay marks its rows by."""
    batch = [
        _event("factor.revoked"),
        _command(WORK),
        replace(_event(), has_own_queue=True),
        _event("a"),
        _command(SINGLE),
    ]
    times = Counter(place for each in PACKING.consign(batch * 40) for place in each.places)
    assert set(times) == set(range(len(batch) * 40))
    assert {each % len(batch): count for each, count in times.items()} == {0: 2, 1: 1, 2: 2, 3: 1, 4: 1}


def test_what_went_out_twice_is_published_when_both_are() -> None:
    """Told to the log and not to policy, a fact must go again: the log's inbox knows it."""
    confirmed, unknown = PublishOutcome.CONFIRMED, PublishOutcome.UNKNOWN
    assert worst([confirmed, confirmed]) is confirmed
    assert worst([confirmed, unknown]) is unknown
    assert worst([unknown, PublishOutcome.REFUSED]) is PublishOutcome.REFUSED
    assert worst([PublishOutcome.REFUSED, PublishOutcome.UNROUTABLE, confirmed]) is PublishOutcome.UNROUTABLE
