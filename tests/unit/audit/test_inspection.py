"""Each kind of tampering has its name."""

import datetime as dt
import hashlib
from uuid import UUID

import pytest

from services.audit.domain.chain import GENESIS, Header, Tip, append
from services.audit.domain.inspection import (
    BrokenLink,
    Checkpoint,
    CutTail,
    Doubled,
    EditedHeader,
    EditedPayload,
    Finding,
    Gap,
    Position,
    Rewritten,
    StoredEntry,
    inspect_end,
    inspect_page,
)

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def chain(length: int = 10, *, kind: str = "login.decided") -> list[StoredEntry]:
    """A whole chain, as it is stored."""
    headers = [
        Header(
            tenant_id=TENANT,
            entry_id=UUID(int=number),
            kind=kind,
            at=AT + dt.timedelta(seconds=number),
            pseudonym=b"p" * 32 if number % 2 else None,
            payload_digest=hashlib.sha256(str(number).encode()).digest(),
        )
        for number in range(1, length + 1)
    ]
    entries, _ = append(Tip(seq=0, hash=GENESIS), headers)
    return [
        StoredEntry(
            seq=entry.seq,
            entry_id=entry.header.entry_id,
            kind=entry.header.kind,
            at=entry.header.at,
            pseudonym=entry.header.pseudonym,
            payload_digest=entry.header.payload_digest,
            previous_hash=entry.previous_hash,
            hash=entry.hash,
        )
        for entry in entries
    ]


def inspect(
    entries: list[StoredEntry], *checkpoints: Checkpoint, page: int = 3, payloads: dict[int, bytes] | None = None
) -> list[Finding]:
    """What a reader finds who reads in small pages."""
    position, findings = Position(tenant_id=TENANT), []
    for start in range(0, len(entries), page):
        position, found = inspect_page(position, entries[start : start + page], payloads or {}, checkpoints)
        findings += found
    return findings + inspect_end(position, checkpoints)


def pinned(entry: StoredEntry) -> Checkpoint:
    """What somebody kept who saw this entry."""
    return Checkpoint(seq=entry.seq, hash=entry.hash, source="pinned head")


def test_an_untouched_chain_has_no_finding() -> None:
    """A false alarm would teach operators to ignore the true one."""
    whole = chain()

    assert inspect(whole, pinned(whole[6]), pinned(whole[9])) == []
    assert inspect([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "login.other"},
        {"at": AT},
        {"pseudonym": b"q" * 32},
        {"pseudonym": None},
        {"payload_digest": b"d" * 32},
        {"entry_id": UUID(int=99)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edit_of_any_field_is_found_where_it_is(change: dict[str, object]) -> None:
    """Whoever may write to the table must not be able to change what an entry says."""
    entries = chain()
    entries[4] = entries[4]._replace(**change)  # type: ignore[arg-type]

    assert [EditedHeader(5)] == inspect(entries)


def test_an_edit_with_a_new_hash_breaks_the_next_link() -> None:
    """A forger who computes the hash anew is found at the following entry."""
    entries, forged = chain(), chain(kind="login.other")
    entries[4] = forged[4]._replace(previous_hash=entries[3].hash)
    own, _ = append(
        Tip(seq=4, hash=entries[3].hash),
        [
            Header(
                tenant_id=TENANT,
                entry_id=entries[4].entry_id,
                kind="login.other",
                at=entries[4].at,
                pseudonym=entries[4].pseudonym,
                payload_digest=entries[4].payload_digest,
            )
        ],
    )
    entries[4] = entries[4]._replace(hash=own[0].hash)

    assert [BrokenLink(6)] == inspect(entries)


def test_a_changed_payload_is_found_and_an_erased_one_is_no_fault() -> None:
    """What the law makes us delete must not look like tampering, or tampering would hide behind it."""
    entries = chain()
    kept = {entry.seq: entry.payload_digest for entry in entries if entry.seq > 4}

    assert inspect(entries, payloads=kept) == []
    assert inspect(entries, payloads=kept | {6: b"d" * 32}) == [EditedPayload(6)]


def test_a_deleted_entry_is_a_gap() -> None:
    """One finding, and only one, says which entries are missing."""
    entries = chain()

    assert [Gap(4, 5)] == inspect(entries[:3] + entries[5:])
    assert [Gap(1, 2)] == inspect(entries[2:])


def test_a_second_entry_of_a_number_is_found() -> None:
    """A fork would let two readers see two histories."""
    entries = chain()

    assert [Doubled(4)] == inspect([*entries[:4], entries[3], *entries[4:]])


def test_a_cut_tail_is_found_against_a_checkpoint_only() -> None:
    """A shortened chain is a valid chain: what proves the cut is a head that was kept elsewhere."""
    whole = chain()

    assert inspect(whole[:7]) == []
    assert [CutTail(7, 10, "pinned head")] == inspect(whole[:7], pinned(whole[9]))


def test_a_chain_rewritten_as_a_whole_is_found_against_a_checkpoint_only() -> None:
    """Who computes every hash anew is given away by one head that was kept elsewhere."""
    rewritten = chain(kind="login.other")

    assert inspect(rewritten) == []
    assert [Rewritten(6, "pinned head")] == inspect(rewritten, pinned(chain()[5]))


def test_an_entry_moved_to_another_tenant_is_found() -> None:
    """A whole chain copied into another tenant's place must not verify there."""
    other = Position(tenant_id=UUID(int=5))

    _, findings = inspect_page(other, chain(2), {}, ())

    assert [EditedHeader(1), EditedHeader(2)] == findings
