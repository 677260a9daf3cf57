"""What a reader of a chain finds wrong with it. Fed page by page, in the order of the sequence."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.audit.domain.chain import GENESIS, entry_hash

_NONE = UUID(int=0)


class StoredEntry(NamedTuple):
    """An entry as it is stored. A plain tuple: hundreds of thousands of them go by each second."""

    seq: int
    entry_id: UUID
    kind: str
    at: dt.datetime
    pseudonym: bytes | None
    payload_digest: bytes
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries `first` to `last` are not there."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Doubled:
    """There is more than one entry of this number."""

    seq: int


@dataclass(frozen=True, slots=True)
class EditedHeader:
    """The entry's fields do not give its hash."""

    seq: int


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The entry was made after another one than the one that is before it now."""

    seq: int


@dataclass(frozen=True, slots=True)
class EditedPayload:
    """The sealed payload is not the one that was appended."""

    seq: int


@dataclass(frozen=True, slots=True)
class CutTail:
    """A checkpoint knows entry `known_seq`, but the chain ends with `last_seq`."""

    last_seq: int
    known_seq: int
    source: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The entry of a checkpoint has another hash now: the history before it is not the one that was."""

    seq: int
    source: str


@dataclass(frozen=True, slots=True)
class ForgedHead:
    """A head's signature is not by the key that it names."""

    seq: int
    source: str


Finding = Gap | Doubled | EditedHeader | BrokenLink | EditedPayload | CutTail | Rewritten | ForgedHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What is known of a chain from elsewhere: entry `seq` has `hash`."""

    seq: int
    hash: bytes
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a chain was read."""

    tenant_id: UUID
    seq: int = 0
    entry_id: UUID = _NONE
    hash: bytes = GENESIS


def inspect_page(
    position: Position,
    entries: Sequence[StoredEntry],
    payloads: Mapping[int, bytes],
    checkpoints: Collection[Checkpoint],
) -> tuple[Position, list[Finding]]:
    """Read on. One fault gives one finding: after it, the entry's stored hash is what the next is compared with.

    ``payloads``: digests of the sealed payloads that are still there, by number; one that is gone is no fault.
    """
    findings: list[Finding] = []
    tenant_id = position.tenant_id
    seq, previous = position.seq, position.hash
    known = {checkpoint.seq for checkpoint in checkpoints}
    for entry in entries:
        if entry.seq == seq + 1:
            if entry.previous_hash != previous:
                findings.append(BrokenLink(entry.seq))
        else:
            findings.append(Gap(seq + 1, entry.seq - 1) if entry.seq > seq else Doubled(entry.seq))
        if _hash(tenant_id, entry) != entry.hash:
            findings.append(EditedHeader(entry.seq))
        if payloads.get(entry.seq, entry.payload_digest) != entry.payload_digest:
            findings.append(EditedPayload(entry.seq))
        if entry.seq in known:
            findings += _compare(checkpoints, entry)
        seq, previous = entry.seq, entry.hash
    if not entries:
        return position, findings
    return Position(tenant_id=tenant_id, seq=seq, entry_id=entries[-1].entry_id, hash=previous), findings


def inspect_end(position: Position, checkpoints: Iterable[Checkpoint]) -> list[Finding]:
    """What the end of the chain, at ``position``, lacks."""
    return [
        CutTail(position.seq, checkpoint.seq, checkpoint.source)
        for checkpoint in checkpoints
        if checkpoint.seq > position.seq
    ]


def _hash(tenant_id: UUID, entry: StoredEntry) -> bytes:
    return entry_hash(
        entry.previous_hash,
        tenant_id=tenant_id,
        seq=entry.seq,
        entry_id=entry.entry_id,
        kind=entry.kind,
        at=entry.at,
        pseudonym=entry.pseudonym,
        payload_digest=entry.payload_digest,
    )


def _compare(checkpoints: Iterable[Checkpoint], entry: StoredEntry) -> list[Finding]:
    return [
        Rewritten(entry.seq, checkpoint.source)
        for checkpoint in checkpoints
        if checkpoint.seq == entry.seq and checkpoint.hash != entry.hash
    ]
