"""Accounts and their factors as the list of who uses a second factor shows them, a page at a time.

One table a statement, by key: joined, one of them may be read from its beginning for every page, as long as the
database does not know yet how much has come.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.policy.domain.known import Granted, Known
from services.policy.domain.report import Usage
from shared.contracts.types import FactorType, Role
from shared.db.connection import Connection, Record


async def accounts_after(conn: Connection, tenant_id: UUID, after: str, *, limit: int) -> list[Known]:
    """The next accounts, of whatever role: a page costs the same however rare the role is that somebody asks for."""
    rows = await conn.fetch(
        """
        SELECT account_id, role, is_active, is_sso, returned_at,
               greatest(created_at, left_sso_at, role_changed_at, restarted_at) AS subject_since
          FROM policy.accounts
         WHERE tenant_id = $1 AND account_id > $2
         ORDER BY account_id LIMIT $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [
        Known(
            account_id=row["account_id"],
            role=Role(row["role"]),
            is_active=row["is_active"],
            is_sso=row["is_sso"],
            subject_since=row["subject_since"],
            returned_at=row["returned_at"],
        )
        for row in rows
    ]


async def read_granted(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> dict[str, Granted]:
    """What was asked of or granted to these accounts alone, by account; nothing is the rule."""
    rows = await conn.fetch(
        """
        SELECT account_id, is_required, required_since, resumed_at, exempt_until, extended_until, must_enrol_since
          FROM policy.enforcements
         WHERE tenant_id = $1 AND account_id = ANY ($2::text[])
           AND (is_required OR coalesce(exempt_until, extended_until, must_enrol_since, resumed_at) IS NOT NULL)
        """,
        tenant_id,
        list(account_ids),
    )
    return granted_of(rows)


async def read_usage(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> dict[str, Usage]:
    """What these accounts have enrolled, by account; one that never enrolled is not in it."""
    rows = await conn.fetch(
        """
        SELECT account_id, first_enrolled_at, last_success_at, factor_types, active_factors, suspended_factors,
               backup_codes_left
          FROM otp.factor_usage WHERE tenant_id = $1 AND account_id = ANY ($2::text[])
        """,
        tenant_id,
        list(account_ids),
    )
    return {
        row["account_id"]: Usage(
            first_enrolled_at=row["first_enrolled_at"],
            last_success_at=row["last_success_at"],
            factor_types=tuple(FactorType(each) for each in row["factor_types"]),
            active_factors=row["active_factors"],
            suspended_factors=row["suspended_factors"],
            backup_codes_left=row["backup_codes_left"],
        )
        for row in rows
    }


def granted_of(rows: Iterable[Record]) -> dict[str, Granted]:
    """Rows of `policy.enforcements`, by account."""
    return {
        row["account_id"]: Granted(
            is_required=row["is_required"],
            required_since=row["required_since"],
            resumed_at=row["resumed_at"],
            exempt_until=row["exempt_until"],
            extended_until=row["extended_until"],
            must_enrol_since=row["must_enrol_since"],
        )
        for row in rows
    }
