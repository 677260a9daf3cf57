"""Proving a chain: read it all, compute it again, hold it against what is known from elsewhere.

Called by ``deskfactor audit verify`` as the operator, who may read but not change. What the database says about its own
end proves nothing about a tail that was cut off: only a head kept outside does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.audit.adapters.signing import is_genuine
from services.audit.domain.heads import SignedHead
from services.audit.domain.inspection import (
    Checkpoint,
    Finding,
    ForgedHead,
    Position,
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
    position = Position(tenant_id=tenant_id)
    while True:
        async with database.transaction([tenant_id]) as conn:  # short ones: hours of reading hold no snapshot
            page = await read_entries(conn, position, limit=PAGE)
            if not page:
                return position
            payloads = await digest_payloads(conn, tenant_id, page[0].seq, page[-1].seq)
        position, findings = inspect_page(position, page, payloads, checkpoints)
        tally.add(findings)
        tally.entries += len(page)
        tally.payloads += len(payloads)


def _checkpoint(head: SignedHead, source: str) -> Checkpoint:
    return Checkpoint(seq=head.seq, hash=head.hash, source=source)
