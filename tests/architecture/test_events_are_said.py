"""The events are those of the state machines: no transition is silent, and no event is a word that nobody says."""

import ast
import enum
from collections.abc import Iterator, Mapping

import pytest

from shared.contracts.codec import EVENTS, MESSAGES
from shared.contracts.types import (
    ChallengeState,
    DeliveryState,
    EnforcementState,
    FactorState,
    RecoveryState,
    ReportState,
)
from tests.architecture.source import python_files, tree

# What is said when something comes into a state. None: nothing has happened yet that anyone needs to hear of.
_SAID: Mapping[type[enum.StrEnum], Mapping[str, str | None]] = {
    ChallengeState: {
        "open": "challenge.issued",
        "verified": "challenge.verified",
        "redeemed": "challenge.redeemed",
        "exhausted": "challenge.exhausted",
        "expired": "challenge.expired",
        "cancelled": "challenge.cancelled",
    },
    FactorState: {
        "pending": "factor.enrolled",
        "active": "factor.confirmed",
        "suspended": "factor.suspended",
        "revoked": "factor.revoked",
        "expired": "factor.expired",
    },
    RecoveryState: {
        "draft": "recovery.requested",
        "waiting": "recovery.waiting",
        "executed": "recovery.executed",
        "cancelled": "recovery.cancelled",
        "denied": "recovery.denied",
        "expired": "recovery.expired",
        "superseded": "recovery.superseded",
    },
    ReportState: {
        "running": "report.requested",
        "ready": "report.ready",
        "expired": "report.expired",
    },
    DeliveryState: {
        "queued": None,
        "sending": None,
        "accepted": "code.sent",
        "delivered": "code.delivered",
        "undeliverable": "code.undeliverable",
        "refused": "code.undeliverable",
        "unknown": "code.undeliverable",
        "expired": "code.expired",
    },
    # Computed, not stored: who saw it says it. The first two are the policy's doing (policy.changed).
    EnforcementState: {
        "not_required": None,
        "exempt": None,
        "satisfied": "enforcement.satisfied",
        "grace": "enforcement.started",
        "must_enrol": "recovery.executed",
        "locked_out": "enforcement.locked_out",
    },
}
_MORE = {  # within a state
    "challenge.rejected",
    "recovery.attack",
    "enforcement.reminded",
    "enforcement.changed",
    "enforcement.unlocked",
    "report.downloaded",
}


@pytest.mark.parametrize("states", list(_SAID), ids=lambda states: states.__name__)
def test_every_state_has_its_event(states: type[enum.StrEnum]) -> None:
    """A new state without an event would be a change that the audit log never hears of."""
    assert set(_SAID[states]) == {state.value for state in states}
    assert {each for each in _SAID[states].values() if each} <= EVENTS.keys()


@pytest.mark.parametrize("noun", ["challenge", "factor", "recovery", "enforcement", "report", "code"])
def test_every_event_of_a_state_machine_has_its_place_in_it(noun: str) -> None:
    """An event that no transition says is a promise to the tenants that nobody keeps."""
    of_states = {event for states in _SAID.values() for event in states.values() if event}
    assert {each for each in EVENTS if each.startswith(f"{noun}.")} <= of_states | _MORE


def test_a_code_and_a_notice_are_told_of_alike() -> None:
    """Both are deliveries: what can become of one can become of the other."""
    codes, notices = (
        {each.partition(".")[2] for each in EVENTS if each.startswith(noun)} for noun in ("code.", "notification.")
    )
    assert codes == notices


def test_every_event_is_said_and_every_command_given_somewhere() -> None:
    """A message that nobody sends is a contract without a subject; whoever waits for it waits for ever."""
    named = {name for path in python_files("services") if path.name != "consumers.py" for name in _names(tree(path))}
    assert {kind for kind, model in MESSAGES.items() if model.__name__ not in named} == set()


def _names(node: ast.AST) -> Iterator[str]:
    """Names that code uses. An annotation says what comes in, not what goes out."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case _:
            pass
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _names(child)
