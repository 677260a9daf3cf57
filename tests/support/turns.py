"""Two at once, in an order that a test chooses: both wait for one lock, and PostgreSQL serves who came first."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import asyncpg

from shared.db.account_lock import lock_account
from tests.support.eventually import eventually

_WAITING = """
SELECT count(*) FROM pg_locks
 WHERE locktype = 'advisory' AND NOT granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def in_turn(
    conn: "asyncpg.Connection[asyncpg.Record]",
    tenant_id: UUID,
    account_id: str,
    *works: Coroutine[Any, Any, Any],
) -> list[Any]:
    """Hold the account's lock until all of ``works`` wait for it, in this order; then let go. What each returned. Each
    has to be on a connection of its own.
    """
    tasks: list[asyncio.Task[Any]] = []
    async with conn.transaction():
        await lock_account(conn, tenant_id, account_id)
        for work in works:
            tasks.append(asyncio.create_task(work))
            await _all_wait(conn, len(tasks))
    return list(await asyncio.gather(*tasks))


async def _all_wait(conn: "asyncpg.Connection[asyncpg.Record]", number: int) -> None:
    async def waiting() -> int:
        return int(await conn.fetchval(_WAITING))

    await eventually(waiting, lambda count: count >= number)  # more: who waited too long asked again
