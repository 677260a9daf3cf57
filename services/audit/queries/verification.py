"""Reading chains to verify them. As the operator's role: it may read, not change."""

from dataclasses import dataclass
from uuid import UUID

from services.audit.domain.chain import Tip
from services.audit.domain.heads import SignedHead
from services.audit.domain.inspection import Position, StoredEntry
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHead:
    """A chain's end as the database tells it, and the signature that was made last."""

    tip: Tip
    signed: SignedHead | None


async def load_chained_tenants(conn: Connection) -> list[UUID]:
    """Every tenant that has a chain; needs a transaction on work queues."""
    rows = await conn.fetch("SELECT tenant_id FROM audit.heads ORDER BY tenant_id")
    return [row["tenant_id"] for row in rows]


async def load_head(conn: Connection, tenant_id: UUID) -> StoredHead | None:
    """The head of a tenant's chain."""
    row = await conn.fetchrow(
        """
        SELECT seq, hash, signed_seq, signed_hash, signed_at, signature, key_id FROM audit.heads WHERE tenant_id = $1
        """,
        tenant_id,
    )
    if row is None:
        return None
    signed = None
    if row["signed_at"] is not None:
        signed = SignedHead(
            tenant_id=tenant_id,
            seq=row["signed_seq"],
            hash=row["signed_hash"],
            signed_at=row["signed_at"],
            key_id=row["key_id"],
            signature=row["signature"],
        )
    return StoredHead(tip=Tip(seq=row["seq"], hash=row["hash"]), signed=signed)


async def read_entries(conn: Connection, position: Position, *, limit: int) -> list[StoredEntry]:
    """The next entries of the chain; two of one number would both be seen."""
    rows = await conn.fetch(
        """
        SELECT seq, entry_id, kind, at, pseudonym, payload_digest, previous_hash, hash
          FROM audit.entries
         WHERE tenant_id = $1 AND (seq, entry_id) > ($2, $3)
         ORDER BY seq, entry_id LIMIT $4
        """,
        position.tenant_id,
        position.seq,
        position.entry_id,
        limit,
    )
    return [StoredEntry(*row) for row in rows]


async def digest_payloads(conn: Connection, tenant_id: UUID, first: int, last: int) -> dict[int, bytes]:
    """SHA-256 of the payloads that entries ``first`` to ``last`` still have. Hashed there: payloads are long.

    Not joined with the entries: before a table is analysed, the planner takes a nested loop over both pages.
    """
    rows = await conn.fetch(
        """
        SELECT seq, sha256(sealed) AS digest FROM audit.payloads WHERE tenant_id = $1 AND seq BETWEEN $2 AND $3
        """,
        tenant_id,
        first,
        last,
    )
    return dict(map(tuple, rows))


async def load_signing_keys(conn: Connection) -> dict[str, bytes]:
    """Public halves of the keys that sign heads, as the database tells them."""
    rows = await conn.fetch("SELECT key_id, public_key FROM audit.signing_keys")
    return {row["key_id"]: row["public_key"] for row in rows}
