"""Accounts that are gone, and all that policy had of them."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from services.policy.domain.erasure import Erasure
from shared.contracts.types import Keeper
from shared.db.connection import Connection


async def find_erasure(conn: Connection, tenant_id: UUID, account_id: str) -> Erasure | None:
    """Of this id; None: it was never erased. There may be a new account of that id."""
    row = await conn.fetchrow(
        """
        SELECT erasure_id, version, told_at, erased_at, cleared_at IS NOT NULL AND notifier_cleared_at IS NOT NULL
               AND audit_cleared_at IS NOT NULL AS is_finished
          FROM policy.erasures WHERE tenant_id = $1 AND account_id = $2
        """,
        tenant_id,
        account_id,
    )
    return Erasure(**dict(row)) if row else None


async def erased_ids(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> frozenset[str]:
    """Those of these ids that belonged to an account which was erased, whoever has them now."""
    rows = await conn.fetch(
        "SELECT account_id FROM policy.erasures WHERE tenant_id = $1 AND account_id = ANY ($2::text[])",
        tenant_id,
        list(account_ids),
    )
    return frozenset(row["account_id"] for row in rows)


async def store_erasure(
    conn: Connection,
    tenant_id: UUID,
    account_id: str,
    *,
    erasure_id: UUID,
    version: int | None,
    told_at: dt.datetime,
    is_cleared: bool,
) -> Erasure:
    """The id is nobody's from here on; under the account's lock.

    Its instant is read now and not when the transaction began: then all that was decided about the account is older.
    """
    row = await conn.fetchrow(
        """
        INSERT INTO policy.erasures AS e
               (tenant_id, account_id, erasure_id, version, told_at, erased_at, erased_system_at, cleared_at,
                notifier_cleared_at, audit_cleared_at)
        SELECT $1, $2, $3, $4, $5, clock_timestamp() + (policy.tenant_now($1) - now()), clock_timestamp(),
               CASE WHEN $6 THEN now() END, CASE WHEN $6 THEN now() END, CASE WHEN $6 THEN now() END
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET erasure_id = excluded.erasure_id, version = excluded.version, told_at = excluded.told_at,
               erased_at = excluded.erased_at, erased_system_at = excluded.erased_system_at,
               cleared_at = excluded.cleared_at, notifier_cleared_at = excluded.notifier_cleared_at,
               audit_cleared_at = excluded.audit_cleared_at
        RETURNING erasure_id, version, told_at, erased_at, cleared_at IS NOT NULL AND notifier_cleared_at IS NOT NULL
               AND audit_cleared_at IS NOT NULL AS is_finished
        """,
        tenant_id,
        account_id,
        erasure_id,
        version,
        told_at,
        is_cleared,
    )
    assert row is not None
    return Erasure(**dict(row))


async def raise_version(conn: Connection, tenant_id: UUID, account_id: str, version: int) -> None:
    """The helpdesk said once more that it is gone, and counts further."""
    await conn.execute(
        """
        UPDATE policy.erasures SET version = $3
         WHERE tenant_id = $1 AND account_id = $2 AND (version IS NULL OR version < $3)
        """,
        tenant_id,
        account_id,
        version,
    )


async def clear_erasure(conn: Connection, tenant_id: UUID, account_id: str, erasure_id: UUID, keeper: Keeper) -> None:
    """A service is done; nothing where the account was erased once more since."""
    await conn.execute(
        """
        UPDATE policy.erasures
           SET cleared_at = coalesce(cleared_at, CASE WHEN $4 = 'otp_worker' THEN now() END),
               notifier_cleared_at = coalesce(notifier_cleared_at, CASE WHEN $4 = 'notifier' THEN now() END),
               audit_cleared_at = coalesce(audit_cleared_at, CASE WHEN $4 = 'audit' THEN now() END)
         WHERE tenant_id = $1 AND account_id = $2 AND erasure_id = $3
        """,
        tenant_id,
        account_id,
        erasure_id,
        keeper.value,
    )


async def delete_account(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """The account's row: without it nobody decides anything about the id any more."""
    await conn.execute("DELETE FROM policy.accounts WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def delete_enforcement(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """What was given, said and granted."""
    await conn.execute(
        "DELETE FROM policy.enforcements WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id
    )


async def delete_requests(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Every recovery request, over or not."""
    await conn.execute(
        "DELETE FROM policy.recovery_requests WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id
    )


async def delete_timers(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Every timer, ended ones too: their payloads name the account."""
    await conn.execute("DELETE FROM policy.timers WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def forget_who_saved_policy(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """The policy stays, without the admin who saved it."""
    await conn.execute(
        "UPDATE policy.policies SET saved_by = NULL WHERE tenant_id = $1 AND saved_by = 'admin:' || $2",
        tenant_id,
        account_id,
    )


async def forget_reader(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Nobody is mailed the link of a report that this account was to get."""
    await conn.execute(
        "UPDATE policy.reports SET mail_to = NULL WHERE tenant_id = $1 AND mail_to = $2", tenant_id, account_id
    )
