"""What is asked at every login, message and poll is run among many rows, and what it reads and throws away is counted.

A plan may look right and read too much: one that finds entries by their order, say, and throws away those of everybody
else. Counted are pages and rows, which a busy machine does not change.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from uuid import UUID

import asyncpg
import pytest

from shared.db.pool import Database
from tests.support.crowded import fill
from tests.support.hot_path import Asked, Rows, hot_path, some_rows, too_much

ROWS = 10_000

Sql = asyncpg.Connection


@pytest.fixture(scope="module", params=["not counted", "counted"])
async def asking(
    request: pytest.FixtureRequest, new_dsn: Callable[[], str]
) -> AsyncIterator[tuple["Sql[asyncpg.Record]", Mapping[str, Asked], UUID]]:
    """A connection as services have them, and what they ask."""
    dsn = new_dsn()
    filling, conn = await asyncpg.connect(dsn), await Database(dsn, role=None, name="test-pages").dedicated()
    try:
        tenant_id = await fill(filling, ROWS)
        if request.param == "counted":
            await filling.execute("ANALYZE")
        rows: Rows = await some_rows(filling, tenant_id)
        yield conn, hot_path(rows), tenant_id
    finally:
        await conn.close()
        await filling.close()


@pytest.mark.parametrize("plan", ["for these arguments", "for all arguments"])
async def test_what_is_asked_often_reads_little(
    asking: tuple["Sql[asyncpg.Record]", Mapping[str, Asked], UUID], plan: str
) -> None:
    """Whichever plan the connection has kept."""
    conn, hot, tenant_id = asking
    assert await too_much(conn, hot, tenant_id, is_generic=plan == "for all arguments") == {}
