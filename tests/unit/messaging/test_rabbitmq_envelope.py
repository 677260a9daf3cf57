"""What AMQP carries, read and written without a broker."""

import datetime as dt
from typing import Any, cast
from uuid import UUID

import pytest
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.header import ContentHeader

from shared.ids import new_id
from shared.messaging.bus import Exchange, Incoming, Outgoing
from shared.messaging.rabbitmq import names
from shared.messaging.rabbitmq.envelope import (
    Parcel,
    copy_parcel,
    deliveries_before,
    outgoing_parcel,
    read,
    request_parcel,
)

NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)


def _delivered(body: bytes = b"{}", **properties: Any) -> DeliveredMessage:
    return DeliveredMessage(
        delivery=spec.Basic.Deliver(consumer_tag="c", delivery_tag=1),
        header=ContentHeader(properties=spec.Basic.Properties(**properties)),
        body=body,
        channel=cast("AbstractChannel", None),
    )


def _read_back(parcel: Parcel, *, is_dead: bool = False) -> Incoming:
    return read(
        _delivered(parcel.body, message_id=parcel.properties.message_id, headers=parcel.properties.headers),
        lane="work",
        is_dead=is_dead,
    )


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"message_id": "not a uuid"},
        {"message_id": str(new_id()), "headers": {names.ATTEMPT: "three", names.EXPIRES_AT: 7}},
        {"headers": {names.ATTEMPT: -1, names.EXPIRES_AT: "soon", names.FIRST_SEEN: "2030-01-01T12:00:00"}},
        {"headers": {names.DEATHS: [], names.DELIVERY_COUNT: "many", "nested": {"a": [1, None, b"\xff"]}}},
    ],
)
def test_message_of_a_stranger_is_read_without_an_error(properties: dict[str, Any]) -> None:
    """Whoever may publish could else end a worker, again at each redelivery."""
    message = _delivered(b"\xff", **properties)
    got = read(message, lane="work", is_dead=True)
    assert (got.attempt, got.expires_at, got.dead_reason, got.headers) == (0, None, None, {})
    assert got.first_seen_at.tzinfo is not None
    assert deliveries_before(message) == 0


def test_message_without_an_id_has_the_same_one_at_every_delivery() -> None:
    """The inbox could not tell its duplicates apart otherwise; and two different messages must not share one."""
    first, again, other = (read(_delivered(body), lane="work", is_dead=False) for body in (b"1", b"1", b"2"))
    assert first.message_id == again.message_id != other.message_id


def test_copy_keeps_what_it_is_and_leaves_the_brokers_headers_behind() -> None:
    """RabbitMQ 3.10 reads copied headers as a cycle, and drops the message without a word."""
    message_id = new_id()
    brokers = {
        "x-death": [{"reason": "expired", "count": 3}],
        "x-first-death-queue": "q",
        "x-last-death-reason": "expired",
        "x-delivery-count": 2,
        "x-acquired-count": 2,
    }
    ours = {names.ATTEMPT: 2, names.FIRST_SEEN: NOON.isoformat(), names.EXPIRES_AT: NOON.isoformat()}
    message = _delivered(message_id=str(message_id), headers={"traceparent": "00-ab-cd-01", **brokers, **ours})
    incoming = read(message, lane="work", is_dead=False)
    assert deliveries_before(message) == 2

    parcel = copy_parcel(incoming, "there", "work", attempt=3)
    assert parcel.properties.headers == {
        "traceparent": "00-ab-cd-01",
        names.ATTEMPT: 3,
        names.FIRST_SEEN: NOON.isoformat(),
        names.EXPIRES_AT: NOON.isoformat(),
    }
    again = _read_back(parcel)
    assert (again.message_id, again.attempt) == (message_id, 3)
    assert (again.first_seen_at, again.expires_at) == (NOON, NOON)


def test_dead_letter_says_why() -> None:
    """A person reads it: the handler's word if there is one, else the broker's, and the last death counts."""
    deaths = [{"reason": "delivery_limit"}, {"reason": "expired"}]
    by_broker = read(_delivered(headers={names.DEATHS: deaths}), lane="work", is_dead=True)
    assert by_broker.dead_reason == "delivery_limit"
    by_handler = copy_parcel(by_broker, "dead", "work", dead_reason="invalid_number")
    assert _read_back(by_handler, is_dead=True).dead_reason == "invalid_number"
    assert _read_back(by_handler).dead_reason is None  # replayed, it is alive again


def test_request_lives_no_longer_than_its_deadline() -> None:
    """The broker drops what nobody took in time, so that a lane that stood still starts with the living."""
    outgoing = Outgoing(message_id=new_id(), exchange=Exchange.EVENTS, routing_key="x", body=b"{}", expires_at=NOON)
    parcel = request_parcel("asked.requests", outgoing, left=1.2345)
    assert (parcel.exchange, parcel.routing_key) == ("deskfactor.commands", "asked.requests")
    assert parcel.properties.expiration == "1234"
    assert parcel.properties.delivery_mode == 1
    assert request_parcel("asked.requests", outgoing, left=0.0001).properties.expiration == "1"


def test_work_is_kept_on_disk() -> None:
    """At-least-once dead-lettering, and a broker's restart, ask for persistent messages."""
    outgoing = Outgoing(message_id=UUID(int=7), exchange=Exchange.EVENTS, routing_key="a.b", body=b"{}")
    properties = outgoing_parcel(outgoing).properties
    assert (properties.delivery_mode, properties.message_id) == (2, str(UUID(int=7)))
    assert properties.expiration is None  # a queue lets expired messages go at its head only
