"""Backup codes, recovery keys and recovery codes: hashes, and when they were used."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.otp_worker.domain.backup_code import CodesLeft, Kind
from services.otp_worker.queries.accounts import WANTED, Key
from shared.db.connection import Connection, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCode:
    """One code as it rests."""

    code_id: UUID
    hash: str = field(repr=False)
    used_at: dt.datetime | None
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """One code as it is stored."""

    code_id: UUID
    kind: Kind
    slot: int
    hash: str = field(repr=False)


CODES_LEFT = """
       SELECT (count(*) FILTER (WHERE own.kind = 'backup_code'))::int AS backup_codes,
              coalesce(bool_or(own.kind = 'recovery_key'), false) AS has_recovery_key
         FROM otp.backup_codes AS own
        WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
          AND own.kind IN ('backup_code', 'recovery_key') AND own.used_at IS NULL AND own.voided_at IS NULL
          AND own.pending_until IS NULL
"""
"""Of the account that is ``wanted``."""


async def count_codes(conn: Connection, keys: Sequence[Key]) -> dict[Key, CodesLeft]:
    """How many backup codes are good, and whether a recovery key is."""
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, wanted.account_id, codes.backup_codes, codes.has_recovery_key
          FROM {WANTED} CROSS JOIN LATERAL ({CODES_LEFT}) AS codes
        """,  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return {(row["tenant_id"], row["account_id"]): codes_left(row) for row in rows}


async def find_backup_codes(
    conn: Connection, tenant_id: UUID, account_id: str, kind: Kind, slot: int
) -> list[StoredCode]:
    """What may have been typed: the code of that slot that is good, and the one used last, none of them voided."""
    rows = await conn.fetch(
        """
        SELECT code_id, hash, used_at, expires_at
          FROM otp.backup_codes
         WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND slot = $4 AND voided_at IS NULL
           AND pending_until IS NULL
         ORDER BY used_at IS NULL DESC, used_at DESC LIMIT 2
        """,
        tenant_id,
        account_id,
        kind.value,
        slot,
    )
    return [StoredCode(**dict(row)) for row in rows]


async def spend_backup_code(
    conn: Connection, tenant_id: UUID, account_id: str, code_id: UUID, *, at: dt.datetime
) -> bool:
    """Mark one used; False: it was used or voided before."""
    return (
        await conn.fetchval(
            """
            UPDATE otp.backup_codes SET used_at = $4
             WHERE tenant_id = $1 AND account_id = $2 AND code_id = $3 AND used_at IS NULL AND voided_at IS NULL
               AND pending_until IS NULL
            RETURNING true
            """,
            tenant_id,
            account_id,
            code_id,
            at,
        )
        is True
    )


async def void_backup_codes(
    conn: Connection, tenant_id: UUID, account_id: str, *, at: dt.datetime, but: UUID | None = None
) -> None:
    """End every code of an account, of every kind, used ones and pending ones too; ``but``: those of one set stay."""
    await conn.execute(
        """
        UPDATE otp.backup_codes SET voided_at = $3
         WHERE tenant_id = $1 AND account_id = $2 AND voided_at IS NULL AND set_id IS DISTINCT FROM $4
        """,
        tenant_id,
        account_id,
        at,
        but,
    )


async def void_recovery_code(conn: Connection, tenant_id: UUID, account_id: str, *, at: dt.datetime) -> None:
    """End the recovery code that an admin made, if there is one."""
    await conn.execute(
        """
        UPDATE otp.backup_codes SET voided_at = $3
         WHERE tenant_id = $1 AND account_id = $2 AND kind = 'recovery_code' AND voided_at IS NULL
        """,
        tenant_id,
        account_id,
        at,
    )


async def insert_recovery_code(
    conn: Connection,
    tenant_id: UUID,
    account_id: str,
    code: tuple[UUID, int, str],
    *,
    at: dt.datetime,
    until: dt.datetime,
) -> None:
    """Store an admin's recovery code: id, slot and hash. It is a set of its own."""
    code_id, slot, stored = code
    await conn.execute(
        """
        INSERT INTO otp.backup_codes (tenant_id, account_id, code_id, kind, slot, set_id, hash, created_at, expires_at)
        VALUES ($1, $2, $3, 'recovery_code', $4, $3, $5, $6, $7)
        """,
        tenant_id,
        account_id,
        code_id,
        slot,
        stored,
        at,
        until,
    )


async def insert_backup_codes(
    conn: Connection,
    tenant_id: UUID,
    account_id: str,
    codes: Sequence[NewCode],
    *,
    set_id: UUID,
    at: dt.datetime,
    pending_until: dt.datetime | None = None,
) -> None:
    """Store codes that were made together; ``pending_until``: they wait for a factor until then."""
    await conn.execute(
        """
        INSERT INTO otp.backup_codes (
               tenant_id, account_id, code_id, kind, slot, set_id, hash, created_at, pending_until)
        SELECT $1, $2, code_id, kind, slot, $7, hash, $8, $9
          FROM unnest($3::uuid[], $4::text[], $5::smallint[], $6::text[]) AS codes (code_id, kind, slot, hash)
        """,
        tenant_id,
        account_id,
        [code.code_id for code in codes],
        [code.kind.value for code in codes],
        [code.slot for code in codes],
        [code.hash for code in codes],
        set_id,
        at,
        pending_until,
    )


def codes_left(row: Record) -> CodesLeft:
    """A row of `CODES_LEFT`."""
    return CodesLeft(backup_codes=row["backup_codes"], has_recovery_key=row["has_recovery_key"])
