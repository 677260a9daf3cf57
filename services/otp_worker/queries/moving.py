"""What came from another system, and the operator's permits."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.moving import TakenOver
from services.otp_worker.queries.backup_codes import StoredCode
from shared.contracts.types import PermitId
from shared.db.connection import Connection
from shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFactor:
    """A factor of another system, active here."""

    account_id: str
    factor: Factor
    imported_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCode:
    """A code of another system as it rests; `hash` under the account's data key, base64. A recovery key is another
    Deskfactor's, so its hash is like those that are made here, and rests as they do.
    """

    account_id: str
    code_id: UUID
    kind: Kind = Kind.BACKUP_CODE
    set_id: UUID
    slot: int
    hash: str = field(repr=False)
    shape: str | None
    imported_as: str
    created_at: dt.datetime


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


async def load_taken_over(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> Mapping[str, TakenOver]:
    """What an import has to know of these accounts; the caller holds their locks."""
    rows = await conn.fetch(
        """
        SELECT wanted.account_id, f.held, f.own, f.digests || c.digests AS digests, c.slots, c.has_own, c.has_key
          FROM unnest($2::text[]) AS wanted (account_id),
               LATERAL (
               SELECT count(*) FILTER (WHERE state IN ('active', 'suspended'))::int AS held,
                      count(*) FILTER (WHERE state IN ('active', 'suspended') AND imported_as IS NULL)::int AS own,
                      coalesce(array_agg(imported_as) FILTER (WHERE imported_as IS NOT NULL), '{}') AS digests
                 FROM otp.factors WHERE tenant_id = $1 AND account_id = wanted.account_id) AS f,
               LATERAL (
               SELECT coalesce(array_agg(imported_as) FILTER (WHERE imported_as IS NOT NULL), '{}') AS digests,
                      coalesce(array_agg(slot) FILTER (WHERE kind = 'backup_code' AND used_at IS NULL
                                                         AND voided_at IS NULL), '{}') AS slots,
                      coalesce(bool_or(kind = 'backup_code' AND imported_as IS NULL AND voided_at IS NULL
                                       AND pending_until IS NULL), false) AS has_own,
                      coalesce(bool_or(kind = 'recovery_key' AND used_at IS NULL AND voided_at IS NULL
                                       AND pending_until IS NULL), false) AS has_key
                 FROM otp.backup_codes
                WHERE tenant_id = $1 AND account_id = wanted.account_id
                  AND kind IN ('backup_code', 'recovery_key')) AS c
        """,
        tenant_id,
        list(account_ids),
    )
    return {
        row["account_id"]: TakenOver(
            digests=row["digests"],
            held_factors=row["held"],
            own_factors=row["own"],
            slots=frozenset(row["slots"]),
            has_own_codes=row["has_own"],
            has_key=row["has_key"],
        )
        for row in rows
    }


async def insert_imported_factors(conn: Connection, tenant_id: UUID, factors: Sequence[ImportedFactor]) -> None:
    """Store active factors. No challenge has the id that each row names, since none was needed."""
    contacts = [each.factor.contact for each in factors]
    await conn.execute(
        """
        INSERT INTO otp.factors (
               tenant_id, factor_id, account_id, type, state, name, seed, contact_sealed, contact_masked,
               contact_digest, challenge_id, created_at, confirmed_at, imported_as)
        SELECT $1, factor_id, account_id, type, 'active', name, seed, sealed, masked, digest, challenge_id, at, at,
               imported_as
          FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[],
                      $10::uuid[], $11::timestamptz[], $12::text[])
               AS new (factor_id, account_id, type, name, seed, sealed, masked, digest, challenge_id, at, imported_as)
        """,
        tenant_id,
        [each.factor.id for each in factors],
        [each.account_id for each in factors],
        [each.factor.type.value for each in factors],
        [each.factor.name for each in factors],
        [each.factor.seed for each in factors],
        [each.sealed if each is not None else None for each in contacts],
        [each.masked if each is not None else None for each in contacts],
        [each.digest if each is not None else None for each in contacts],
        [new_id() for _ in factors],
        [each.factor.created_at for each in factors],
        [each.imported_as for each in factors],
    )


async def insert_imported_codes(conn: Connection, tenant_id: UUID, codes: Sequence[ImportedCode]) -> None:
    """Store codes beside those that were taken over before."""
    await conn.execute(
        """
        INSERT INTO otp.backup_codes (
               tenant_id, account_id, code_id, kind, slot, set_id, hash, shape, imported_as, created_at)
        SELECT $1, account_id, code_id, kind, slot, set_id, hash, shape, imported_as, created_at
          FROM unnest($2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::smallint[], $7::text[], $8::text[],
                      $9::text[], $10::timestamptz[])
               AS codes (account_id, code_id, kind, set_id, slot, hash, shape, imported_as, created_at)
        """,
        tenant_id,
        [code.account_id for code in codes],
        [code.code_id for code in codes],
        [code.kind.value for code in codes],
        [code.set_id for code in codes],
        [code.slot for code in codes],
        [code.hash for code in codes],
        [code.shape for code in codes],
        [code.imported_as for code in codes],
        [code.created_at for code in codes],
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
