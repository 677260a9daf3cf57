"""Plans as PostgreSQL tells them (``EXPLAIN (FORMAT JSON)``), and what is wrong with one among very many rows."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import asyncpg

from tests.support.statements import Statement

Plan = dict[str, Any]

UP_TO_AN_INSTANT = "all up to an instant"

_RANGE = re.compile(r"_(\d{8}|default)$")
_INSTANT = re.compile(r"(^|_)(at|until)$")
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


async def first_columns(conn: "asyncpg.Connection[asyncpg.Record]") -> Mapping[str, str]:
    """What each index is sorted by before all else."""
    rows = await conn.fetch(
        "SELECT c.relname AS name, pg_get_indexdef(i.indexrelid, 1, true) AS first"
        "  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
    )
    return {row["name"]: row["first"] for row in rows}


def complaints(plan: Plan, small: Collection[str], sorted_by: Mapping[str, str]) -> set[str]:
    """Where it reads a table that is not ``small`` from end to end, a tenant's part of it, or all up to an instant."""
    return {said for node in nodes(plan) if (said := _complaint(node, small, sorted_by)) is not None}


def nodes(plan: Plan) -> Iterator[Plan]:
    """A plan and all that is below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def whole(relation: str) -> str:
    """The table that a range belongs to."""
    return _RANGE.sub("", relation)


def _complaint(node: Plan, small: Collection[str], sorted_by: Mapping[str, str]) -> str | None:
    table = whole(node.get("Relation Name", ""))
    if table in small:
        return None
    match node["Node Type"]:
        case "Seq Scan":
            return f"{table}: all of it"
        case "Index Scan" | "Index Only Scan":
            compared = _columns(node.get("Index Cond", ""))
            if sorted_by[node["Index Name"]] not in compared:
                return f"{table}: all of an index"
            if compared == {"tenant_id"}:
                return f"{table}: all that a tenant has"
            return f"{table}: {UP_TO_AN_INSTANT}" if all(_INSTANT.search(each) for each in compared) else None
        case _:
            return None


def _columns(condition: str) -> set[str]:
    """The columns that an index is searched by."""
    row = _ROW_COMPARED.search(condition)
    return {name.strip() for name in row[1].split(",")} if row else set(_COMPARED.findall(condition))
