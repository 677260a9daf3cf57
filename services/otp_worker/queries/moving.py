"""What came from another system, and the operator's permits."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.moving import TakenOver
from services.otp_worker.queries.backup_codes import StoredCode
from shared.contracts.types import ChallengeId, PermitId
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCode:
    """A code of another system as it rests; `hash` under the account's data key, base64."""

    code_id: UUID
    slot: int
    hash: str = field(repr=False)
    shape: str | None
    imported_as: str


async def has_import_permit(conn: Connection, tenant_id: UUID, permit_id: PermitId) -> bool:
    """Whether the operator lets this be taken in now."""
    return (
        await conn.fetchval(
            """
            SELECT true FROM otp.permits
             WHERE tenant_id = $1 AND permit_id = $2 AND kind = 'import' AND expires_at > now()
            """,
            tenant_id,
            permit_id,
        )
        is True
    )


async def load_taken_over(conn: Connection, tenant_id: UUID, account_id: str) -> TakenOver:
    """What an import has to know of an account; the caller holds its lock."""
    row = await conn.fetchrow(
        """
        SELECT f.held, f.own, f.digests || c.digests AS digests, c.slots, c.has_own
          FROM (SELECT count(*) FILTER (WHERE state IN ('active', 'suspended'))::int AS held,
                       count(*) FILTER (WHERE state IN ('active', 'suspended') AND imported_as IS NULL)::int AS own,
                       coalesce(array_agg(imported_as) FILTER (WHERE imported_as IS NOT NULL), '{}') AS digests
                  FROM otp.factors WHERE tenant_id = $1 AND account_id = $2) AS f,
               (SELECT coalesce(array_agg(imported_as) FILTER (WHERE imported_as IS NOT NULL), '{}') AS digests,
                       coalesce(array_agg(slot) FILTER (WHERE used_at IS NULL AND voided_at IS NULL), '{}') AS slots,
                       coalesce(bool_or(imported_as IS NULL AND voided_at IS NULL AND pending_until IS NULL), false)
                         AS has_own
                  FROM otp.backup_codes WHERE tenant_id = $1 AND account_id = $2 AND kind = 'backup_code') AS c
        """,
        tenant_id,
        account_id,
    )
    assert row is not None
    return TakenOver(
        digests=row["digests"],
        held_factors=row["held"],
        own_factors=row["own"],
        slots=frozenset(row["slots"]),
        has_own_codes=row["has_own"],
    )


async def insert_imported_factor(
    conn: Connection, tenant_id: UUID, account_id: str, factor: Factor, *, challenge_id: ChallengeId, imported_as: str
) -> None:
    """Store an active factor. `challenge_id`: no challenge has it, since none was needed."""
    await conn.execute(
        """
        INSERT INTO otp.factors (
               tenant_id, factor_id, account_id, type, state, name, seed, contact_sealed, contact_masked,
               contact_digest, challenge_id, created_at, confirmed_at, imported_as)
        VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $10, $11, $11, $12)
        """,
        tenant_id,
        factor.id,
        account_id,
        factor.type.value,
        factor.name,
        factor.seed,
        factor.contact.sealed if factor.contact else None,
        factor.contact.masked if factor.contact else None,
        factor.contact.digest if factor.contact else None,
        challenge_id,
        factor.created_at,
        imported_as,
    )


async def insert_imported_codes(
    conn: Connection, tenant_id: UUID, account_id: str, codes: Sequence[ImportedCode], *, set_id: UUID, at: dt.datetime
) -> None:
    """Store codes beside those that were taken over before."""
    await conn.execute(
        """
        INSERT INTO otp.backup_codes (
               tenant_id, account_id, code_id, kind, slot, set_id, hash, shape, imported_as, created_at)
        SELECT $1, $2, code_id, 'backup_code', slot, $3, hash, shape, imported_as, $4
          FROM unnest($5::uuid[], $6::smallint[], $7::text[], $8::text[], $9::text[])
               AS codes (code_id, slot, hash, shape, imported_as)
        """,
        tenant_id,
        account_id,
        set_id,
        at,
        [code.code_id for code in codes],
        [code.slot for code in codes],
        [code.hash for code in codes],
        [code.shape for code in codes],
        [code.imported_as for code in codes],
    )


async def load_imported_codes(
    conn: Connection, tenant_id: UUID, account_id: str
) -> list[tuple[StoredCode, str | None]]:
    """The codes of another system that are not void, used or not, each with its shape."""
    rows = await conn.fetch(
        """
        SELECT code_id, hash, used_at, expires_at, shape
          FROM otp.backup_codes
         WHERE tenant_id = $1 AND account_id = $2 AND kind = 'backup_code' AND voided_at IS NULL
           AND imported_as IS NOT NULL
         ORDER BY code_id
        """,
        tenant_id,
        account_id,
    )
    return [
        (
            StoredCode(code_id=row["code_id"], hash=row["hash"], used_at=row["used_at"], expires_at=row["expires_at"]),
            row["shape"],
        )
        for row in rows
    ]
