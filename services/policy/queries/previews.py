"""Accounts as a preview looks at them, a page at a time: by ranges of the key, one table a statement."""

from collections.abc import Mapping
from uuid import UUID

from services.policy.domain.known import Granted
from services.policy.domain.preview import Previewed
from services.policy.queries.usage import granted_of
from shared.contracts.types import Role
from shared.db.connection import Connection, Record


async def previewed_after(conn: Connection, tenant_id: UUID, after: str, *, limit: int) -> list[Previewed]:
    """The next accounts, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT account_id, role, is_active, is_sso, returned_at,
               greatest(created_at, left_sso_at, role_changed_at, restarted_at) AS subject_since,
               phone_sealed IS NOT NULL
                 OR (email_sealed IS NOT NULL AND (email_verified OR email_proved_at IS NOT NULL)) AS is_reachable
          FROM policy.accounts
         WHERE tenant_id = $1 AND account_id > $2
         ORDER BY account_id LIMIT $3
        """,
        tenant_id,
        after,
        limit,
    )
    if not rows:
        return []
    last = rows[-1]["account_id"]
    granted = await _granted_between(conn, tenant_id, after, last)
    factors = await _factors_between(conn, tenant_id, after, last)
    return [_previewed(row, granted, factors) for row in rows]


async def _granted_between(conn: Connection, tenant_id: UUID, after: str, last: str) -> dict[str, Granted]:
    """What was asked of or granted to single accounts: nothing is the rule."""
    rows = await conn.fetch(
        """
        SELECT account_id, is_required, required_since, resumed_at, exempt_until, extended_until, must_enrol_since
          FROM policy.enforcements
         WHERE tenant_id = $1 AND account_id > $2 AND account_id <= $3
           AND (is_required OR coalesce(exempt_until, extended_until, must_enrol_since, resumed_at) IS NOT NULL)
        """,
        tenant_id,
        after,
        last,
    )
    return granted_of(rows)


async def _factors_between(conn: Connection, tenant_id: UUID, after: str, last: str) -> dict[str, tuple[int, bool]]:
    """How many factors an account holds, and whether it ever had one; who never enrolled is not in it."""
    rows = await conn.fetch(
        """
        SELECT account_id, held_factors, first_enrolled_at IS NOT NULL AS was_satisfied
          FROM otp.account_facts
         WHERE tenant_id = $1 AND account_id > $2 AND account_id <= $3
        """,
        tenant_id,
        after,
        last,
    )
    return {row["account_id"]: (row["held_factors"], row["was_satisfied"]) for row in rows}


def _previewed(row: Record, granted: Mapping[str, Granted], factors: Mapping[str, tuple[int, bool]]) -> Previewed:
    account_id = row["account_id"]
    held_factors, was_satisfied = factors.get(account_id, (0, False))
    return Previewed(
        account_id=account_id,
        role=Role(row["role"]),
        is_active=row["is_active"],
        is_sso=row["is_sso"],
        is_reachable=row["is_reachable"],
        subject_since=row["subject_since"],
        returned_at=row["returned_at"],
        held_factors=held_factors,
        was_satisfied=was_satisfied,
        granted=granted.get(account_id),
    )
