"""Plans as PostgreSQL tells them (``EXPLAIN (FORMAT JSON)``), and what is wrong with one among very many rows."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import asyncpg

from tests.support.statements import Statement

Plan = dict[str, Any]

_RANGE = re.compile(r"_(\d{8}|default)$")
_COMPARED = re.compile(r"\b(\w+)\)?(?:::\w+)? (?:=|<|>|<=|>=) ")
_ROW_COMPARED = re.compile(r"^\(ROW\(([^)]*)\)")


async def explain(conn: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Plan:
    """The plan that serves every argument: the one that a connection keeps. As the role that sends the statement."""
    await conn.execute(f"SET ROLE {statement.role}; SET plan_cache_mode = force_generic_plan")
    await conn.execute(f"PREPARE judged AS {statement.sql}")
    try:
        count = await conn.fetchval(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'judged'"
        )
        arguments = f"({', '.join(['NULL'] * count)})" if count else ""
        found = await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE judged{arguments}")
    finally:
        await conn.execute("DEALLOCATE judged; RESET ROLE")
    plan: Plan = json.loads(found)[0]["Plan"]
    return plan


def complaints(plan: Plan, small: Collection[str]) -> set[str]:
    """Where it reads a table that is not ``small`` from one end to the other, or all that one tenant has in it."""
    return {said for node in nodes(plan) if (said := _complaint(node, small)) is not None}


def nodes(plan: Plan) -> Iterator[Plan]:
    """A plan and all that is below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def whole(relation: str) -> str:
    """The table that a range belongs to."""
    return _RANGE.sub("", relation)


def _complaint(node: Plan, small: Collection[str]) -> str | None:
    table = whole(node.get("Relation Name", ""))
    if table in small:
        return None
    match node["Node Type"]:
        case "Seq Scan":
            return f"{table}: all of it"
        case "Index Scan" | "Index Only Scan":
            compared = _columns(node.get("Index Cond", ""))
            if not compared:
                return f"{table}: all of an index"
            return f"{table}: all that a tenant has" if compared == {"tenant_id"} else None
        case _:
            return None


def _columns(condition: str) -> set[str]:
    """The columns that an index is searched by."""
    row = _ROW_COMPARED.search(condition)
    return {name.strip() for name in row[1].split(",")} if row else set(_COMPARED.findall(condition))
