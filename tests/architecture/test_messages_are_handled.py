"""Every command has one service that carries it out, every event a place in the audit log, every lane its workers."""

import importlib
from collections import defaultdict
from typing import Any

import pytest

from shared.contracts.codec import COMMANDS, EVENTS
from shared.contracts.envelope import Command
from shared.messaging.handler_table import HandlerTable
from shared.messaging.topology import AUDIT_EVENTS, LANES, lane, matches
from tests.architecture.source import MESSAGE_SERVICES

_TABLES: dict[str, HandlerTable[Any]] = {
    service: importlib.import_module(f"services.{service}.consumers").TABLE for service in MESSAGE_SERVICES
}
_ROWS = [(service, row) for service, table in _TABLES.items() for row in table.rows]


@pytest.mark.parametrize("message_type", sorted(COMMANDS))
def test_a_command_is_handled_by_one_service_on_its_own_lane(message_type: str) -> None:
    """A command that nobody handles is acknowledged and gone; one that two handle is done twice."""
    model = COMMANDS[message_type]
    assert issubclass(model, Command)
    places = {(service, row.lane.name) for service, row in _ROWS if row.message is model}
    assert {service for service, _ in places} == {model.lane.partition(".")[0]}
    assert model.lane in {name for _, name in places}


@pytest.mark.parametrize("service", MESSAGE_SERVICES)
def test_a_service_works_on_its_own_lanes_only(service: str) -> None:
    """Two services on one lane would take each other's messages away."""
    assert {each.name.partition(".")[0] for each in _TABLES[service].lanes} == {service}


def test_every_lane_has_workers() -> None:
    """On a lane without workers messages pile up until the broker refuses them."""
    worked = {each.name for table in _TABLES.values() for each in table.lanes}
    by_the_gateway = {each.name for each in LANES if each.is_ingress}  # it takes what is no message of ours yet
    assert worked | by_the_gateway == {each.name for each in LANES}
    assert {name.partition(".")[0] for name in by_the_gateway} == {"gateway"}


def test_the_audit_log_appends_every_event() -> None:
    """An event that it does not know would leave a gap in what happened, not in the chain: nobody would notice."""
    appended = {row.message for _, row in _ROWS if row.lane == AUDIT_EVENTS}
    assert appended == set(EVENTS.values())
    assert AUDIT_EVENTS.binds == ("#",)


@pytest.mark.parametrize("name", [each.name for each in LANES if each != AUDIT_EVENTS])
def test_a_lane_is_bound_to_the_events_that_it_handles(name: str) -> None:
    """Too narrow, and a service never hears of a fact; too wide, and it is woken for nothing."""
    handled = {row.message.type for _, row in _ROWS if row.lane.name == name and row.message.type in EVENTS}
    bound = {each for each in EVENTS if any(matches(pattern, each) for pattern in lane(name).binds)}
    assert bound == handled


@pytest.mark.parametrize("name", [each.name for each in LANES])
def test_no_pattern_of_a_lane_is_idle(name: str) -> None:
    """A pattern that fits no event is a misspelt one."""
    idle = [pattern for pattern in lane(name).binds if not any(matches(pattern, each) for each in EVENTS)]
    assert idle == []


def test_a_request_lane_has_requests_only() -> None:
    """Its messages live for what is left of 2.5 s: anything else sent there would be dropped unseen."""
    wrong = defaultdict(list)
    for service, row in _ROWS:
        if row.lane.is_request and row.message.type in EVENTS:
            wrong[service].append(row.message.type)
    assert wrong == {}
