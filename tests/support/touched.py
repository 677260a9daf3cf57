"""What the statements of a function touch: the function is called as it is, and what it sent is measured again."""

import datetime as dt
import enum
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg

from shared.db.connection import Connection
from tests.support.plans import Plan

Sql = asyncpg.Connection

_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


class Recorder:
    """A connection that remembers what is sent over it."""

    def __init__(self, conn: "Sql[asyncpg.Record]") -> None:
        self._conn = conn
        self.sent: list[tuple[str, Sequence[object]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        """Each method of the driver that sends a statement."""

        async def send(sql: str, *args: object, **options: object) -> object:
            self.sent.append((sql, args[0][0] if name == "executemany" else args))  # type: ignore[index]
            return await getattr(self._conn, name)(sql, *args, **options)

        return send


async def plans_of(
    conn: "Sql[asyncpg.Record]", call: Callable[[Connection], Awaitable[object]], *, is_generic: bool
) -> list[Plan]:
    """The plans of all that ``call`` sends, with what running them read and wrote; nothing of it stays.

    ``is_generic``: planned for every argument; else for these.
    """
    recorder = Recorder(conn)
    savepoint = conn.transaction()
    await savepoint.start()
    await call(cast("Connection", recorder))
    await savepoint.rollback()
    return [
        await _measured(conn, sql, args, is_generic=is_generic)
        for sql, args in recorder.sent
        if sql.strip().startswith(_PLANNED)
    ]


async def _measured(conn: "Sql[asyncpg.Record]", sql: str, args: Sequence[object], *, is_generic: bool) -> Plan:
    await conn.execute(f"PREPARE measured AS {sql}")
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        mode = "force_generic_plan" if is_generic else "force_custom_plan"
        await conn.execute(f"SET LOCAL plan_cache_mode = {mode}")
        types = await conn.fetchval(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'measured'"
        )
        given = ", ".join(f"{_literal(arg)}::{kind}" for arg, kind in zip(args, types, strict=True))
        execute = f"EXECUTE measured({given})" if args else "EXECUTE measured"
        found = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
    finally:
        await savepoint.rollback()
        await conn.execute("DEALLOCATE measured")
    plan: Plan = json.loads(found)[0]["Plan"]
    return plan


def pages(plan: Plan) -> int:
    """Of 8 KiB, wherever they come from."""
    found: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return found


def _literal(value: object) -> str:
    """A value as it is written in SQL; the type is said beside it."""
    if value is None:
        return "NULL"
    if isinstance(value, tuple):  # a row, as the driver takes it
        return "ROW(" + ", ".join(_literal(each) for each in value) + ")"
    if isinstance(value, list | set):
        return "ARRAY[" + ", ".join(_literal(each) for each in value) + "]"
    return "'" + _text(value).replace("'", "''") + "'"


def _text(value: object) -> str:
    match value:
        case bytes():
            return "\\x" + value.hex()
        case dt.timedelta():
            return f"{value.total_seconds()} seconds"
        case dt.datetime():
            return value.isoformat()
        case dict():
            return json.dumps(value)
        case enum.Enum():
            return str(value.value)
        case UUID() | bool() | int() | float() | str():
            return str(value)
        case _:
            raise TypeError(type(value).__name__)


def rows_thrown_away(plan: Plan) -> int:
    """The most that one node read and did not want."""
    return max(_thrown_away(plan), default=0)


def _thrown_away(node: dict[str, Any]) -> Iterator[int]:
    for name in ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck"):
        yield int(node.get(name, 0) * node.get("Actual Loops", 1))
    for below in node.get("Plans", ()):
        yield from _thrown_away(below)
