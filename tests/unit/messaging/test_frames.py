"""Frames: several messages as the body of one."""

import datetime as dt
import json

import pytest

from shared.ids import new_id
from shared.messaging.rabbitmq.frames import BrokenFrame, Framed, listing, pack, unpack, unpack_answers

NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
MEMBERS = [Framed(new_id(), b'{"a": 1}', NOON), Framed(new_id(), b"{}"), Framed(new_id(), b'{"b": "],["}')]
BODY = pack(each.body for each in MEMBERS)
LISTED = listing(MEMBERS)


def test_what_is_packed_is_unpacked() -> None:
    """Ids, bodies and last instants of each: a verdict under another's id would be another person's."""
    assert unpack(BODY, LISTED) == MEMBERS


def test_answers_are_unpacked_with_the_ids_of_their_questions() -> None:
    """Whoever asked is found by these digits alone."""
    assert unpack_answers(BODY, LISTED) == [(each.message_id.hex, each.body) for each in MEMBERS]


def test_frame_is_one_json_document() -> None:
    """CloudEvents' batch format: whoever looks at a queue sees what is in it."""
    assert json.loads(BODY) == [{"a": 1}, {}, {"b": "],["}]


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "nonsense",
        7,
        LISTED.rsplit(",", 1)[0],  # one too few
        f"{LISTED},{new_id().hex} 2 0",  # one too many
        LISTED.replace(" 8 ", " 9 "),
        LISTED.replace(" 8 ", " -8 "),
        LISTED.replace(" 8 ", " 99999999999999999999 "),
        LISTED.replace(" 8 ", " eight "),
        LISTED.replace(MEMBERS[0].message_id.hex, "not an id"),
        f"{MEMBERS[0].message_id.hex} {len(BODY) - 2} 99999999999999999999",
    ],
    ids=["empty", "nonsense", "number", "few", "many", "long", "negative", "huge", "word", "id", "instant"],
)
def test_list_that_does_not_fit_is_a_broken_frame(listed: object) -> None:
    """Cut at the wrong place, one message's end would be taken for another one."""
    with pytest.raises(BrokenFrame):
        unpack(BODY, listed)


@pytest.mark.parametrize("length", ["9", "-8", "99999999999999999999", "eight", ""])
def test_answers_whose_list_does_not_fit_are_a_broken_frame(length: str) -> None:
    """Of an answer cut at the wrong place nobody is told."""
    with pytest.raises(BrokenFrame):
        unpack_answers(BODY, LISTED.replace(" 8 ", f" {length} "))


def test_body_that_is_cut_is_a_broken_frame() -> None:
    """What is missing was a message as well."""
    for length in range(len(BODY)):
        for each in (unpack, unpack_answers):
            with pytest.raises(BrokenFrame):
                each(BODY[:length], LISTED)
