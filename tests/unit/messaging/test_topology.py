"""The table of lanes, and the patterns by which events find them."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.codec import COMMANDS, EVENTS
from shared.contracts.commands import Request
from shared.messaging.topology import LANES, lane, matches

words = st.sampled_from(["account", "factor", "confirmed", "x"])
keys = st.lists(words, min_size=1, max_size=5).map(".".join)
patterns = st.lists(words | st.sampled_from(["*", "#"]), min_size=1, max_size=5).map(".".join)


def _by_enumeration(pattern: str, key: str) -> bool:
    """AMQP 0-9-1, 3.1.3.3, said the slow way: replace each ``#`` by every number of ``*``."""
    parts, length = pattern.split("."), len(key.split("."))
    choices = [[("*",) * times for times in range(length + 1)] if part == "#" else [(part,)] for part in parts]
    shapes = (list(itertools.chain.from_iterable(choice)) for choice in itertools.product(*choices))
    return any(_word_by_word(shape, key.split(".")) for shape in shapes)


def _word_by_word(shape: list[str], words: list[str]) -> bool:
    return len(shape) == len(words) and all(part in ("*", word) for part, word in zip(shape, words, strict=True))


@given(pattern=patterns, key=keys)
def test_a_pattern_takes_what_a_broker_would_route_by_it(pattern: str, key: str) -> None:
    """Both transports must tell the same services of the same facts."""
    assert matches(pattern, key) == _by_enumeration(pattern, key)


@given(key=keys)
def test_everything_and_itself_match(key: str) -> None:
    """The audit log binds everything; the others bind exact types."""
    assert matches("#", key)
    assert matches(key, key)
    assert not matches(f"{key}.more", key)
    assert not matches(key, f"{key}.more")


def test_every_event_reaches_the_audit_log() -> None:
    """What no lane takes is unroutable, and stays in the outbox for ever."""
    assert [kind for kind in EVENTS if not any(matches(p, kind) for p in lane("audit.events").binds)] == []


def test_what_is_bound_is_an_event_that_exists() -> None:
    """A typing error in a pattern is a service that never hears of anything."""
    exact = [pattern for each in LANES for pattern in each.binds if not set(pattern) & {"*", "#"}]
    assert [pattern for pattern in exact if pattern not in EVENTS] == []


def test_every_command_has_a_lane_and_requests_have_request_lanes() -> None:
    """On a lane of the wrong kind a request would wait for an answer that is never sent."""
    for message in COMMANDS.values():
        its_lane = lane(message.lane)  # type: ignore[attr-defined]
        assert its_lane.is_request == issubclass(message, Request)


def test_names_of_lanes_say_whose_they_are() -> None:
    """A service parks what died on the lanes that begin with its name; queues are named after them."""
    names = [each.name for each in LANES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"(gateway|otp_worker|policy|notifier|audit)\.[a-z_]+", name) for name in names)


def test_a_request_lane_binds_no_events() -> None:
    """An event has no deadline, and a full request lane refuses: the outbox would knock for ever."""
    assert [each.name for each in LANES if each.is_request and each.binds] == []
