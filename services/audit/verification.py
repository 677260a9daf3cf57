"""Proving a chain: read it all, compute it again, hold it against what is known from elsewhere.

Called by ``deskfactor audit verify`` as the operator, who may read but not change. What the database says about its own
end proves nothing about a tail that was cut off: only a head kept outside does.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from services.audit.adapters.signing import is_genuine
from services.audit.domain.heads import SignedHead
from services.audit.domain.inspection import (
    Checkpoint,
    Finding,
    ForgedHead,
    Position,
    StoredEntry,
    inspect_end,
    inspect_page,
)
from services.audit.queries.verification import digest_payloads, load_chained_tenants, load_head, read_entries
from shared.db.pool import Database

PAGE = 5_000  # entries
MOST_FINDINGS = 1_000  # kept; a chain rewritten from the start would give one an entry

STORED = "stored head"
SIGNED = "signed head"
PINNED = "pinned head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one tenant's chain.

    `proved_seq`: up to where a pinned head shows that nothing was cut off; None: the tail is not provable.
    """

    tenant_id: UUID
    entries: int
    payloads: int
    last_seq: int
    proved_seq: int | None
    findings: tuple[Finding, ...] = ()
    found: int = 0  # with those that were not kept

    @property
    def is_intact(self) -> bool:
        """Nothing was found."""
        return self.found == 0


@dataclass(slots=True)
class _Tally:
    entries: int = 0
    payloads: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Sequence[Finding]) -> None:
        self.found += len(findings)
        self.findings += findings[: MOST_FINDINGS - len(self.findings)]


class _Page(NamedTuple):
    """Entries, and the digests of those of their payloads that are still there, by number."""

    entries: Sequence[StoredEntry]
    payloads: Mapping[int, bytes]


async def chained_tenants(database: Database) -> list[UUID]:
    """Every tenant that has a chain."""
    async with database.transaction(work_queues=True) as conn:
        return await load_chained_tenants(conn)


async def verify_chain(
    database: Database, tenant_id: UUID, *, keys: Mapping[str, bytes], pinned: SignedHead | None = None
) -> Report:
    """Read the chain of a tenant from its first entry to its last.

    ``keys``: public keys of heads' signatures, by id. Entries appended meanwhile do no harm: the head is read first.
    """
    tally = _Tally()
    async with database.transaction([tenant_id]) as conn:
        head = await load_head(conn, tenant_id)
    checkpoints = [_checkpoint(pinned, PINNED)] if pinned else []
    signed = {PINNED: pinned, SIGNED: head.signed if head else None}
    if head is not None:
        checkpoints.append(Checkpoint(seq=head.tip.seq, hash=head.tip.hash, source=STORED))
        checkpoints += [_checkpoint(head.signed, SIGNED)] if head.signed else []
    tally.add([ForgedHead(each.seq, name) for name, each in signed.items() if each and not is_genuine(each, keys)])

    end = await _read_all(database, tenant_id, checkpoints, tally)
    tally.add(inspect_end(end, checkpoints))
    return Report(
        tenant_id=tenant_id,
        entries=tally.entries,
        payloads=tally.payloads,
        last_seq=end.seq,
        proved_seq=min(pinned.seq, end.seq) if pinned else None,
        findings=tuple(tally.findings),
        found=tally.found,
    )


async def _read_all(database: Database, tenant_id: UUID, checkpoints: Sequence[Checkpoint], tally: _Tally) -> Position:
    """A page is inspected while the next one is read: the database's work and ours take turns else."""
    position = Position(tenant_id=tenant_id)
    page = await _read_page(database, position)
    while page.entries:
        last = page.entries[-1]
        (position, findings), following = await asyncio.gather(
            asyncio.to_thread(inspect_page, position, page.entries, page.payloads, checkpoints),
            _read_page(database, Position(tenant_id=tenant_id, seq=last.seq, entry_id=last.entry_id)),
        )
        tally.add(findings)
        tally.entries += len(page.entries)
        tally.payloads += len(page.payloads)
        page = following
    return position


async def _read_page(database: Database, after: Position) -> _Page:
    async with database.transaction([after.tenant_id]) as conn:  # short ones: hours of reading hold no snapshot
        entries = await read_entries(conn, after, limit=PAGE)
        if not entries:
            return _Page([], {})
        return _Page(entries, await digest_payloads(conn, after.tenant_id, entries[0].seq, entries[-1].seq))


def _checkpoint(head: SignedHead, source: str) -> Checkpoint:
    return Checkpoint(seq=head.seq, hash=head.hash, source=source)
