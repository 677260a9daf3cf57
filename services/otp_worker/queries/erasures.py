"""All that otp_worker has of an account, taken away. Under the account's lock."""

import datetime as dt
from uuid import UUID

from shared.db.connection import Connection


async def is_from_before(conn: Connection, tenant_id: UUID, account_id: str, at: dt.datetime) -> bool:
    """Whether what was said at ``at`` (tenant time) is of an account that was erased, whoever has its id now."""
    is_past: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM policy.erased_accounts
                        WHERE tenant_id = $1 AND account_id = $2 AND erased_at >= $3)
        """,
        tenant_id,
        account_id,
        at,
    )
    return is_past


async def delete_challenges(conn: Connection, tenant_id: UUID, account_id: str) -> list[UUID]:
    """Every challenge, over or not; returns their ids."""
    rows = await conn.fetch(
        "DELETE FROM otp.challenges WHERE tenant_id = $1 AND account_id = $2 RETURNING challenge_id",
        tenant_id,
        account_id,
    )
    return [row["challenge_id"] for row in rows]


async def delete_codes(conn: Connection, tenant_id: UUID, challenge_ids: list[UUID]) -> None:
    """The codes of these challenges."""
    await conn.execute(
        "DELETE FROM otp.codes WHERE tenant_id = $1 AND challenge_id = ANY ($2::uuid[])", tenant_id, challenge_ids
    )


async def delete_factors(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Every factor with its seed and its contact, revoked ones too."""
    await conn.execute("DELETE FROM otp.factors WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def delete_backup_codes(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Backup codes, recovery keys and recovery codes, used or not."""
    await conn.execute("DELETE FROM otp.backup_codes WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def delete_devices(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Every trusted device: its token is nothing any more."""
    await conn.execute(
        "DELETE FROM otp.trusted_devices WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id
    )


async def delete_state(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Counters and epochs."""
    await conn.execute("DELETE FROM otp.accounts WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def delete_account_key(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """The data key: whatever copy of a seed is anywhere still, a backup of the database say, nobody can open it."""
    await conn.execute("DELETE FROM otp.account_keys WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)
