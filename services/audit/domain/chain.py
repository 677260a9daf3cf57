"""How entries hang together: each holds the hash of the one before it, each tenant has a chain of its own.

A hash covers the header and the digest of the sealed payload, not the payload, so that erasure and retention take
payloads away and the chain still verifies.
"""

import datetime as dt
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

GENESIS = bytes(32)
"""What the first entry of a chain has before it."""

_VERSION = b"deskfactor audit entry v1"
_TO_KIND = struct.Struct(f">I{len(_VERSION)}sI32sI16sIQI16sI")  # packed by the piece: the verifier reads millions
_TO_PSEUDONYM = struct.Struct(">IqI")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Header(NamedTuple):
    """What an entry says in clear. `pseudonym` None: it concerns no account."""

    tenant_id: UUID
    entry_id: UUID
    kind: str
    at: dt.datetime
    pseudonym: bytes | None
    payload_digest: bytes


class Entry(NamedTuple):
    """A header in its place."""

    header: Header
    seq: int
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The end of a chain; `seq` 0 and `GENESIS` when nothing was appended yet."""

    seq: int
    hash: bytes


def append(tip: Tip, headers: Sequence[Header]) -> tuple[list[Entry], Tip]:
    """Hang ``headers`` of one tenant onto its chain, in order; returns the entries and the new end."""
    entries: list[Entry] = []
    previous = tip.hash
    for seq, header in enumerate(headers, tip.seq + 1):
        own = entry_hash(
            previous,
            tenant_id=header.tenant_id,
            seq=seq,
            entry_id=header.entry_id,
            kind=header.kind,
            at=header.at,
            pseudonym=header.pseudonym,
            payload_digest=header.payload_digest,
        )
        entries.append(Entry(header=header, seq=seq, previous_hash=previous, hash=own))
        previous = own
    return entries, Tip(seq=tip.seq + len(entries), hash=previous)


def entry_hash(
    previous_hash: bytes,
    *,
    tenant_id: UUID,
    seq: int,
    entry_id: UUID,
    kind: str,
    at: dt.datetime,
    pseudonym: bytes | None,
    payload_digest: bytes,
) -> bytes:
    """SHA-256 of the entry: version, then each field after its length in 4 bytes, so that fields cannot shift.

    Numbers are 8 bytes, big-endian; `at` is microseconds since 1970 UTC; no pseudonym is an empty one.
    """
    kind_bytes = kind.encode()
    return hashlib.sha256(
        b"".join(
            (
                _TO_KIND.pack(
                    len(_VERSION), _VERSION, len(previous_hash), previous_hash, 16, tenant_id.bytes, 8, seq,
                    16, entry_id.bytes, len(kind_bytes),
                ),
                kind_bytes,
                _TO_PSEUDONYM.pack(8, (at - _EPOCH) // _MICROSECOND, len(pseudonym or b"")),
                pseudonym or b"",
                len(payload_digest).to_bytes(4, "big"),
                payload_digest,
            )
        )
    ).digest()  # fmt: skip


def encode_fields(*fields: bytes) -> bytes:
    """Each field after its length, 4 bytes, big-endian."""
    return b"".join([part for field in fields for part in (len(field).to_bytes(4, "big"), field)])


def microseconds(at: dt.datetime) -> bytes:
    """An instant as 8 bytes, signed, big-endian: microseconds since 1970 UTC, which is what PostgreSQL keeps."""
    return ((at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
