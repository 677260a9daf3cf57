"""Plans are kept with their connection and made anew now and then: what was right among one row reads all of thousands.

What a statement reads is counted in rows. No autovacuum comes to the table: it would end its plans by counting it.
"""

import json
import math
from collections.abc import Callable

import asyncpg
import pytest

from shared.db.connection import Connection
from shared.db.pool import Database
from tests.support.eventually import eventually
from tests.support.plans import nodes

ROWS = 5_000
AT_ONCE, NEVER = 0.0, math.inf  # seconds

_ONE_ROW = """
CREATE TABLE public.growing (n int PRIMARY KEY) WITH (autovacuum_enabled = off);
INSERT INTO public.growing VALUES (1)
"""
_LOOK_UP = """
PREPARE look_up (int[]) AS
 SELECT g.n FROM unnest($1) AS wanted (n) JOIN public.growing AS g ON g.n = wanted.n
"""


@pytest.mark.parametrize(("plan_lifetime", "reads_all"), [(NEVER, True), (AT_ONCE, False)], ids=["kept", "made anew"])
async def test_a_plan_that_was_made_among_few_rows_is_not_kept_for_ever(
    new_dsn: Callable[[], str], plan_lifetime: float, *, reads_all: bool
) -> None:
    """A young database's first vacuum made every look-up of an answer read all of them, until the process ended."""
    dsn = new_dsn()
    others = await asyncpg.connect(dsn)
    try:
        async with Database(dsn, role=None, name="test-kept", size=1, plan_lifetime=plan_lifetime) as database:
            await others.execute(_ONE_ROW)
            await others.execute("VACUUM ANALYZE public.growing")
            async with database.connection() as connection:
                await connection.execute(_LOOK_UP)
                assert await _rows_read(connection) == 1
            await others.execute("INSERT INTO public.growing SELECT generate_series(2, $1::int)", ROWS)
            async with database.connection() as connection:  # the same one: there is only one
                assert (await _rows_read(connection) == ROWS) is reads_all
    finally:
        await others.close()


async def test_a_connection_that_ends_leaves_nothing_behind(dsn: str) -> None:
    """A process opens connections for as long as it lives: at each restart of the database, and when it was idle."""
    async with Database(dsn, role=None, name="test-ended", size=2) as database:
        async with database.connection() as one, database.connection() as other:
            assert set(database._planned_at) == {one.get_server_pid(), other.get_server_pid()}
            one.terminate()
            other.terminate()

        async def remembered() -> list[int]:
            return list(database._planned_at)

        assert await eventually(remembered, lambda them: not them) == []


async def _rows_read(connection: Connection) -> int:
    """Of the table, while the row with the number 1 is looked up."""
    told = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE look_up ('{1}')")
    [scan] = [node for node in nodes(json.loads(told)[0]["Plan"]) if node.get("Relation Name") == "growing"]
    read: float = scan["Actual Rows"] * scan["Actual Loops"] + scan.get("Rows Removed by Filter", 0)
    return round(read)
