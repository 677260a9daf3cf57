"""The ends of chains. Whoever appends or signs holds the head's row."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.audit.domain.heads import SIGN_AFTER, SIGN_AFTER_ENTRIES, Head, SignedHead
from shared.db.connection import Connection, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedHead:
    """A head whose row is ours until the transaction ends; `now` is system time."""

    head: Head
    now: dt.datetime


_COLUMNS = "h.tenant_id, h.seq, h.hash, h.signed_seq, h.signed_at, now() AS now"


async def insert_heads(conn: Connection, tenants: Collection[UUID]) -> None:
    """Begin the chains that are not there; in order, so that two batches wait for each other and do not deadlock."""
    await conn.execute(
        """
        INSERT INTO audit.heads (tenant_id)
        SELECT tenant_id FROM unnest($1::uuid[]) AS wanted (tenant_id) ORDER BY tenant_id
            ON CONFLICT DO NOTHING
        """,
        list(tenants),
    )


async def lock_heads(conn: Connection, tenants: Collection[UUID]) -> list[LockedHead]:
    """Those of the tenants' heads that are there, locked in order."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM audit.heads AS h WHERE h.tenant_id = ANY ($1::uuid[]) ORDER BY h.tenant_id FOR NO KEY UPDATE
        """,  # noqa: S608 - constants
        list(tenants),
    )
    return [_locked(row) for row in rows]


async def lock_due_heads(conn: Connection, *, limit: int) -> list[LockedHead]:
    """Heads of any tenant that are to be signed: new ones, full ones, and those that were signed an hour ago, unless
    the signature's own entry is all that came since: that would go on for ever. Those in other hands are for later.
    """
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM audit.heads AS h
         WHERE h.seq - h.signed_seq > (h.signed_at IS NOT NULL)::integer
           AND (h.signed_at IS NULL OR h.signed_at <= now() - $1::interval OR h.seq - h.signed_seq >= $2)
         ORDER BY h.tenant_id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
        """,  # noqa: S608 - constants
        SIGN_AFTER,
        SIGN_AFTER_ENTRIES,
        limit,
    )
    return [_locked(row) for row in rows]


async def record_signatures(conn: Connection, signed: Sequence[SignedHead]) -> None:
    """These heads were signed as they are."""
    await conn.execute(
        """
        UPDATE audit.heads AS h
           SET signed_seq = s.seq, signed_hash = s.hash, signed_at = s.signed_at, signature = s.signature,
               key_id = s.key_id
          FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::bytea[], $6::text[])
               AS s (tenant_id, seq, hash, signed_at, signature, key_id)
         WHERE h.tenant_id = s.tenant_id
        """,
        [head.tenant_id for head in signed],
        [head.seq for head in signed],
        [head.hash for head in signed],
        [head.signed_at for head in signed],
        [head.signature for head in signed],
        [head.key_id for head in signed],
    )


async def insert_signing_keys(conn: Connection, public_keys: Mapping[str, bytes]) -> None:
    """Publish the public halves of the keys that sign; one that is there stays as it is."""
    await conn.execute(
        """
        INSERT INTO audit.signing_keys (key_id, public_key)
        SELECT * FROM unnest($1::text[], $2::bytea[])
            ON CONFLICT DO NOTHING
        """,
        list(public_keys),
        list(public_keys.values()),
    )


def _locked(row: Record) -> LockedHead:
    return LockedHead(
        head=Head(
            tenant_id=row["tenant_id"],
            seq=row["seq"],
            hash=row["hash"],
            signed_seq=row["signed_seq"],
            signed_at=row["signed_at"],
        ),
        now=row["now"],
    )
