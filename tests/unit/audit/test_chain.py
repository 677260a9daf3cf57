"""How entries hang together."""

import datetime as dt
import hashlib
from uuid import UUID

from services.audit.domain.chain import GENESIS, Header, Tip, append, encode_fields, entry_hash, microseconds

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
AT = dt.datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)


def header(number: int, *, pseudonym: bytes | None = b"p" * 32) -> Header:
    """An event's header; the same number gives the same one."""
    return Header(
        tenant_id=TENANT,
        entry_id=UUID(int=number),
        kind="challenge.verified",
        at=AT,
        pseudonym=pseudonym,
        payload_digest=hashlib.sha256(str(number).encode()).digest(),
    )


def test_the_encoding_is_pinned() -> None:
    """A chain of years ago must verify with tomorrow's code: the bytes that are hashed never change."""
    found = entry_hash(
        GENESIS,
        tenant_id=TENANT,
        seq=1,
        entry_id=UUID(int=7),
        kind="login.decided",
        at=AT,
        pseudonym=None,
        payload_digest=bytes(range(32)),
    )
    spelled_out = (
        b"\x00\x00\x00\x19deskfactor audit entry v1"
         b"\x00\x00\x00\x20" + bytes(32)
        + b"\x00\x00\x00\x10" + TENANT.bytes
        + b"\x00\x00\x00\x08" + b"\x00\x00\x00\x00\x00\x00\x00\x01"
        + b"\x00\x00\x00\x10" + bytes(15) + b"\x07"
        + b"\x00\x00\x00\x0dlogin.decided"
        + b"\x00\x00\x00\x08" + (1772368215123456).to_bytes(8, "big")
        + b"\x00\x00\x00\x00"
        + b"\x00\x00\x00\x20" + bytes(range(32))
    )  # fmt: skip
    assert hashlib.sha256(spelled_out).digest() == found


def test_entries_are_numbered_and_linked_from_the_tip_on() -> None:
    """The next batch goes on where the last one ended, or two appends would make a fork."""
    first, tip = append(Tip(seq=0, hash=GENESIS), [header(1), header(2)])
    second, end = append(tip, [header(3)])

    assert [entry.seq for entry in first + second] == [1, 2, 3]
    assert [GENESIS, first[0].hash, first[1].hash] == [entry.previous_hash for entry in first + second]
    assert Tip(seq=3, hash=second[0].hash) == end


def test_fields_cannot_shift_into_each_other() -> None:
    """Without lengths, a letter moved from one field to the next would leave the hash as it was."""
    assert encode_fields(b"ab", b"c") != encode_fields(b"a", b"bc")


def test_an_instant_has_one_encoding_whatever_its_zone() -> None:
    """The database gives instants back in its own zone."""
    elsewhere = AT.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30)))

    assert microseconds(AT) == microseconds(elsewhere)
    assert microseconds(dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)) == b"\xff" * 8
