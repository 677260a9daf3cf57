"""Frames: several messages as the body of one, in CloudEvents' JSON batch format where they are CloudEvents.

What is in it is listed in a header, because a transport does not look into bodies.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

CONTENT_TYPE = "application/cloudevents-batch+json"
_NEVER = 0
_BEFORE, _BEHIND = (b"[", b","), (b",", b"]")  # what is around a member


class BrokenFrame(Exception):
    """List and body do not fit."""


class Framed(NamedTuple):
    """One message of a frame."""

    message_id: UUID
    body: bytes
    expires_at: dt.datetime | None = None


def pack(bodies: Iterable[bytes]) -> bytes:
    """The body of a frame."""
    return b"[" + b",".join(bodies) + b"]"


def listing(members: Iterable[Framed]) -> str:
    """What is in it: id, length and last instant (milliseconds since 1970) of each."""
    return ",".join(f"{each.message_id.hex} {len(each.body)} {_milliseconds(each.expires_at)}" for each in members)


def unpack(body: bytes, listed: object) -> Sequence[Framed]:
    """The members of a frame. Raises `BrokenFrame`."""
    try:
        return [
            Framed(UUID(message_id), part, _instant(int(expires))) for message_id, part, expires in _parts(body, listed)
        ]
    except (ValueError, OverflowError, OSError):
        raise BrokenFrame from None


def unpack_answers(body: bytes, listed: object) -> Sequence[tuple[str, bytes]]:
    """The members of a frame of answers, each with the id of its question as hexadecimal digits, which is all that is
    asked of it. Raises `BrokenFrame`.
    """
    try:
        return [(message_id, part) for message_id, part, _ in _parts(body, listed)]
    except ValueError:
        raise BrokenFrame from None


def _parts(body: bytes, listed: object) -> Iterator[tuple[str, bytes, str]]:
    """Id, body and last instant of each member as the list says. Raises `BrokenFrame`, `ValueError`."""
    at = 0
    for entry in str(listed).split(","):
        message_id, length, expires = entry.split(" ")
        start = at + 1
        at = start + int(length)
        if at < start or body[start - 1 : start] not in _BEFORE or body[at : at + 1] not in _BEHIND:
            raise BrokenFrame
        yield message_id, body[start:at], expires
    if at + 1 != len(body):
        raise BrokenFrame


def _milliseconds(instant: dt.datetime | None) -> int:
    return _NEVER if instant is None else int(instant.timestamp() * 1000)


def _instant(milliseconds: int) -> dt.datetime | None:
    return None if milliseconds == _NEVER else dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
