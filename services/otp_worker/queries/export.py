"""What leaves with a tenant: accounts by pages, and their codes that still are good."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.otp_worker.queries.accounts import WANTED, Key, contact
from shared.contracts.types import Contact, PermitId, Role
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingAccount:
    """An account as policy publishes it, and its data keys."""

    id: str
    role: Role
    is_active: bool
    is_sso: bool
    email: Contact | None
    email_verified: bool
    phone: Contact | None
    locale: str
    time_zone: str
    created_at: dt.datetime
    password_changed_at: dt.datetime | None
    is_individually_required: bool
    exempt_until: dt.datetime | None
    extended_until: dt.datetime | None
    must_enrol_since: dt.datetime | None
    tenant_key: str | None = field(repr=False)
    account_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingCode:
    """A backup code; `is_foreign`: its hash rests under the account's data key."""

    code_id: UUID
    hash: str = field(repr=False)
    shape: str | None
    is_foreign: bool


async def find_recipient(conn: Connection, tenant_id: UUID, permit_id: PermitId) -> str | None:
    """The key that the operator lets an export be sealed to now; None: there is no such permit."""
    found: str | None = await conn.fetchval(
        """
        SELECT recipient FROM otp.permits
         WHERE tenant_id = $1 AND permit_id = $2 AND kind = 'export' AND expires_at > now()
        """,
        tenant_id,
        permit_id,
    )
    return found


async def load_leaving_accounts(
    conn: Connection, tenant_id: UUID, after: str | None, *, limit: int
) -> list[LeavingAccount]:
    """The accounts behind ``after``, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT f.account_id, f.role, f.is_active, f.is_sso, f.email_sealed, f.email_masked, f.email_digest,
               f.email_verified, f.phone_sealed, f.phone_masked, f.phone_digest, f.locale, f.time_zone, f.created_at,
               f.password_changed_at, f.is_individually_required, f.exempt_until, f.extended_until, f.must_enrol_since,
               k.wrapped AS tenant_key, d.wrapped AS account_key
          FROM policy.login_facts AS f
          LEFT JOIN otp.tenant_keys AS k ON k.tenant_id = f.tenant_id
          LEFT JOIN LATERAL (SELECT wrapped FROM otp.account_keys AS own
                              WHERE own.tenant_id = f.tenant_id AND own.account_id = f.account_id OFFSET 0) AS d ON true
         WHERE f.tenant_id = $1 AND f.account_id > $2
         ORDER BY f.account_id LIMIT $3
        """,
        tenant_id,
        after or "",
        limit,
    )
    return [
        LeavingAccount(
            id=row["account_id"],
            role=Role(row["role"]),
            is_active=row["is_active"],
            is_sso=row["is_sso"],
            email=contact(row, "email"),
            email_verified=row["email_verified"],
            phone=contact(row, "phone"),
            locale=row["locale"],
            time_zone=row["time_zone"],
            created_at=row["created_at"],
            password_changed_at=row["password_changed_at"],
            is_individually_required=row["is_individually_required"],
            exempt_until=row["exempt_until"],
            extended_until=row["extended_until"],
            must_enrol_since=row["must_enrol_since"],
            tenant_key=row["tenant_key"],
            account_key=row["account_key"],
        )
        for row in rows
    ]


async def load_leaving_keys(conn: Connection, keys: Sequence[Key]) -> Mapping[Key, str]:
    """The hashes of the recovery keys of these accounts that are good."""
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, wanted.account_id, b.hash
          FROM {WANTED}
         CROSS JOIN LATERAL (
               SELECT hash, created_at FROM otp.backup_codes AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND own.kind = 'recovery_key' AND own.used_at IS NULL AND own.voided_at IS NULL
                  AND own.pending_until IS NULL OFFSET 0
               ) AS b
         ORDER BY b.created_at
        """,  # noqa: S608 - a constant
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return {(row["tenant_id"], row["account_id"]): row["hash"] for row in rows}


async def load_leaving_codes(conn: Connection, keys: Sequence[Key]) -> Mapping[Key, list[LeavingCode]]:
    """The backup codes of these accounts that are good; an account without one gives an empty list."""
    rows = await conn.fetch(
        f"""
        SELECT wanted.tenant_id, wanted.account_id, b.code_id, b.hash, b.shape,
               b.imported_as IS NOT NULL AS is_foreign
          FROM {WANTED}
         CROSS JOIN LATERAL (
               SELECT code_id, hash, shape, imported_as, slot FROM otp.backup_codes AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND own.kind = 'backup_code' AND own.used_at IS NULL AND own.voided_at IS NULL
                  AND own.pending_until IS NULL OFFSET 0
               ) AS b
         ORDER BY wanted.tenant_id, wanted.account_id, b.slot
        """,  # noqa: S608 - a constant
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    codes: dict[Key, list[LeavingCode]] = defaultdict(list)
    for row in rows:
        codes[row["tenant_id"], row["account_id"]].append(
            LeavingCode(code_id=row["code_id"], hash=row["hash"], shape=row["shape"], is_foreign=row["is_foreign"])
        )
    return codes
