"""Entries and their payloads: appended in sets, read a page at a time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.audit.domain.chain import Entry
from services.audit.domain.keys import WrappedKey
from shared.db.connection import Connection, Record

_NO_END = 2**63 - 1
_OF_TENANT = "tenant_id = $1 AND seq > $2 AND seq < $3 AND $5::text IS NULL"
_OF_ACCOUNT = """
    pseudonym = (SELECT pseudonym FROM audit.account_keys WHERE tenant_id = $1 AND account_id = $5)
    AND tenant_id IS NOT DISTINCT FROM $1 AND seq + 0 > $2 AND seq + 0 < $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """An entry for reading. `sealed` None: the payload is gone. `owner` None: no account, or an erased one."""

    seq: int
    entry_id: UUID
    kind: str
    at: dt.datetime
    has_account: bool
    owner: WrappedKey | None
    sealed: bytes | None = field(repr=False)
    pseudonym: bytes | None
    payload_digest: bytes
    previous_hash: bytes
    hash: bytes


async def append_entries(conn: Connection, entries: Sequence[Entry], payloads: Sequence[bytes | None]) -> None:
    """Append entries, sealed payloads in the same order (None: not kept), and move the ends of their chains.

    The heads' locks, held by the caller, keep their numbers apart.
    """
    await conn.execute(
        """
        WITH said AS MATERIALIZED (
          SELECT * FROM unnest($1::audit.new_entry[])
        ), chained AS (
          INSERT INTO audit.entries
                 (tenant_id, seq, entry_id, kind, at, pseudonym, payload_digest, previous_hash, hash)
          SELECT tenant_id, seq, entry_id, kind, at, pseudonym, payload_digest, previous_hash, hash FROM said
        ), kept AS (
          INSERT INTO audit.payloads (tenant_id, seq, entry_id, sealed)
          SELECT tenant_id, seq, entry_id, sealed FROM said WHERE sealed IS NOT NULL
        )
        UPDATE audit.heads AS h
           SET seq = tip.seq, hash = tip.hash
          FROM (SELECT DISTINCT ON (tenant_id) tenant_id, seq, hash FROM said ORDER BY tenant_id, seq DESC) AS tip
         WHERE h.tenant_id = tip.tenant_id
        """,
        [_as_row(entry, sealed) for entry, sealed in zip(entries, payloads, strict=True)],
    )


async def list_entries(
    conn: Connection,
    tenant_id: UUID,
    *,
    account_id: str | None,
    kinds: Sequence[str],
    after: int,
    before: int | None,
    newest_first: bool,
    limit: int,
) -> list[ListedEntry]:
    """Up to ``limit`` entries numbered between ``after`` and ``before``, both exclusive; no kinds: of every kind.

    An account's are found by its pseudonym, and their tenant and number are asked for so that no index can answer: the
    one that could holds the tenant's whole log, which would be read, and all but the account's thrown away.
    """
    direction = "DESC" if newest_first else "ASC"
    is_wanted = _OF_ACCOUNT if account_id is not None else _OF_TENANT
    number = "seq + 0" if account_id is not None else "seq"
    rows = await conn.fetch(
        f"""
        SELECT e.seq, e.entry_id, e.kind, e.at, e.pseudonym, e.payload_digest, e.previous_hash, e.hash, k.account_id,
               k.salt, k.wrapped, p.sealed
          FROM (SELECT seq, entry_id, kind, at, pseudonym, payload_digest, previous_hash, hash FROM audit.entries
                 WHERE {is_wanted} AND ($4::text[] = '{{}}' OR kind = ANY ($4))
                 ORDER BY {number} {direction} LIMIT $6) AS e
          LEFT JOIN LATERAL (
               SELECT account_id, salt, wrapped FROM audit.account_keys AS own
                WHERE own.tenant_id = $1 AND own.pseudonym = e.pseudonym OFFSET 0) AS k ON true
          LEFT JOIN LATERAL (
               SELECT sealed FROM audit.payloads AS own
                WHERE own.tenant_id = $1 AND own.seq = e.seq AND own.entry_id = e.entry_id OFFSET 0) AS p ON true
         ORDER BY e.seq {direction}
        """,  # noqa: S608 - each one of two constants
        tenant_id,
        after,
        before if before is not None else _NO_END,
        list(kinds),
        account_id,
        limit,
    )
    return [_listed(tenant_id, row) for row in rows]


def _as_row(entry: Entry, sealed: bytes | None) -> tuple[object, ...]:
    """As `audit.new_entry` lists it."""
    header = entry.header
    return (
        header.tenant_id,
        entry.seq,
        header.entry_id,
        header.kind,
        header.at,
        header.pseudonym,
        header.payload_digest,
        entry.previous_hash,
        entry.hash,
        sealed,
    )


def _listed(tenant_id: UUID, row: Record) -> ListedEntry:
    owner = None
    if row["account_id"] is not None:
        owner = WrappedKey(
            tenant_id=tenant_id,
            account_id=row["account_id"],
            salt=row["salt"],
            pseudonym=row["pseudonym"],
            wrapped=row["wrapped"],
        )
    return ListedEntry(
        seq=row["seq"],
        entry_id=row["entry_id"],
        kind=row["kind"],
        at=row["at"],
        has_account=row["pseudonym"] is not None,
        owner=owner,
        sealed=row["sealed"],
        pseudonym=row["pseudonym"],
        payload_digest=row["payload_digest"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
