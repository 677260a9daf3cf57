"""What AMQP carries, read and written without a broker."""

import dataclasses
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
)
from shared.messaging.rabbitmq.parts import out_part
from shared.messaging.rabbitmq.questions import request_parcel
from shared.messaging.topology import INGRESS_MOST_BYTES

ACME, OTHER = new_id(), new_id()
NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)


def _delivered(body: bytes = b"{}", *, exchange: str = "", **properties: Any) -> DeliveredMessage:
    return DeliveredMessage(
        delivery=spec.Basic.Deliver(consumer_tag="c", delivery_tag=1, exchange=exchange),
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


def test_an_event_goes_to_its_tenants_own_queue_as_well() -> None:
    """The broker routes it: no service reads an event only to publish it again."""
    outgoing = Outgoing(
        message_id=new_id(),
        exchange=Exchange.EVENTS,
        routing_key="login.decided",
        body=b"{}",
        tenant_id=ACME,
        has_own_queue=True,
    )
    headers = outgoing_parcel(outgoing).properties.headers or {}
    assert headers[names.BLIND_COPY] == [f"out.{ACME}"]
    command = dataclasses.replace(outgoing, exchange=Exchange.COMMANDS, routing_key="policy.commands")
    assert names.BLIND_COPY not in (outgoing_parcel(command).properties.headers or {})


def test_of_a_tenants_message_only_the_brokers_word_is_believed() -> None:
    """Our headers in a stranger's message would choose its tenant, its age, its attempts, and its neighbour's id."""
    forged = {
        names.TENANT: str(OTHER),
        names.ATTEMPT: 99,
        names.FIRST_SEEN: "0001-01-01T00:00:00+23:59",
        names.DEAD_REASON: "x\x00",
        "CC": "otp_worker.logins",
    }
    message_id = str(new_id())
    mine = _delivered(
        exchange=names.INGRESS_EXCHANGE, user_id=names.username_of(ACME), message_id=message_id, headers=forged
    )
    got = read(mine, lane="gateway.ingress", is_dead=False)
    assert (got.tenant_id, got.attempt, got.headers, got.dead_reason) == (ACME, 0, {}, None)
    assert got.first_seen_at.year > 2000
    assert str(got.message_id) != message_id
    theirs = _delivered(exchange=names.INGRESS_EXCHANGE, user_id=names.username_of(OTHER), message_id=message_id)
    assert read(theirs, lane="gateway.ingress", is_dead=False).message_id != got.message_id


@pytest.mark.parametrize("user_id", [None, "app", f"tenant.{UUID(int=7)}.x", "tenant.1", f"TENANT.{UUID(int=7)}"])
def test_a_name_that_is_no_tenants_is_nobodys(user_id: str | None) -> None:
    """Whoever is not one of the tenants speaks for none of them, whatever the headers say."""
    message = _delivered(exchange=names.INGRESS_EXCHANGE, user_id=user_id, headers={names.TENANT: str(ACME)})
    assert read(message, lane="gateway.ingress", is_dead=False).tenant_id is None


def test_what_the_broker_itself_set_aside_stays_a_strangers() -> None:
    """A letter's tenant decides for whom a replay speaks: it must not be one that a message claims."""
    deaths = [{"reason": "delivery_limit", "exchange": names.INGRESS_EXCHANGE, "queue": "gateway.ingress.v1"}]
    headers = {names.DEATHS: deaths, names.TENANT: str(OTHER), names.DEAD_REASON: "made up"}
    nameless = read(_delivered(exchange=names.DEAD_EXCHANGE, headers=headers), lane="gateway.ingress", is_dead=True)
    assert (nameless.tenant_id, nameless.dead_reason) == (None, "delivery_limit")
    named = _delivered(exchange=names.DEAD_EXCHANGE, headers=headers, user_id=names.username_of(ACME))
    assert read(named, lane="gateway.ingress", is_dead=True).tenant_id == ACME


def test_our_copy_of_a_tenants_message_is_the_tenants() -> None:
    """On the ladder and among the dead it is we who publish it: the broker's word travels in our header."""
    message = _delivered(exchange=names.INGRESS_EXCHANGE, user_id=names.username_of(ACME))
    first = read(message, lane="gateway.ingress", is_dead=False)
    again = _read_back(copy_parcel(first, "deskfactor.retry.5s", "gateway.ingress", attempt=1))
    assert (again.tenant_id, again.attempt, again.message_id) == (ACME, 1, first.message_id)


def test_of_a_body_that_is_too_large_only_that_is_kept() -> None:
    """A broker takes 128 MiB; the dead letters of one tenant must not fill the database."""
    message = _delivered(b"x" * (INGRESS_MOST_BYTES * 3), exchange=names.INGRESS_EXCHANGE)
    assert len(read(message, lane="gateway.ingress", is_dead=False).body) == INGRESS_MOST_BYTES + 1


def test_a_tenants_queue_drops_its_oldest_when_it_is_full() -> None:
    """Were it to refuse, the event would be confirmed to nobody, and one idle tenant would hold up everybody."""
    arguments = out_part(ACME).arguments
    assert arguments["x-overflow"] == "drop-head"
    assert {"x-max-length", "x-max-length-bytes", "x-message-ttl"} <= arguments.keys()
