"""Admins who prove themselves, as other services store it: for tests of one service alone."""

import datetime as dt
import json
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.types import ChallengeId
from shared.ids import new_id

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]


async def ask_for_proofs(conn: "Connection", tenant_id: UUID) -> None:
    """The tenant wants to see every admin's second factor."""
    await conn.execute(
        "UPDATE gateway.tenants SET settings = settings || $2::jsonb WHERE tenant_id = $1",
        tenant_id,
        json.dumps({"admin_proof": "required"}),
    )


async def make_admin(conn: "Connection", tenant_id: UUID, account_id: str) -> None:
    """An active account with the role, as policy stores it."""
    await conn.execute(
        """
        INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, $2, 'admin', now())
        """,
        tenant_id,
        account_id,
    )


async def step_up(
    conn: "Connection",
    tenant_id: UUID,
    account_id: str,
    *,
    by: str = "totp",
    age: int = 60,
    purpose: str = "step_up",
    epoch: int = 0,
) -> ChallengeId:
    """A challenge that was verified so many seconds ago, as otp_worker stores it."""
    challenge_id = ChallengeId(new_id())
    at = await conn.fetchval("SELECT policy.tenant_now($1)", tenant_id) - dt.timedelta(seconds=age)
    await conn.execute(
        "INSERT INTO otp.accounts (tenant_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", tenant_id, account_id
    )
    await conn.execute(
        """
        INSERT INTO otp.challenges (tenant_id, challenge_id, account_id, purpose, state, context, factor_epoch,
                                    created_at, expires_at, verified_at, verified_by, ended_at)
        VALUES ($1, $2, $3, $4, 'verified', 'c', $5, $6, $6, $6, $7, $6)
        """,
        tenant_id,
        challenge_id,
        account_id,
        purpose,
        epoch,
        at,
        by,
    )
    return challenge_id
