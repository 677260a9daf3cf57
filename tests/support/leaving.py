"""Who has left, looked for in every table."""

import asyncpg

_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('bus', 'gateway', 'otp', 'policy', 'notifier', 'audit')
       AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
DOCUMENTED = frozenset(
    {"policy.erasures", "bus.outbox"}
)  # docs/security.md, "Leaving"; the second for two weeks at most


async def places_of(conn: "asyncpg.Connection[asyncpg.Record]", *words: str) -> set[str]:
    """The tables with a row that holds one of these, as text or in bytes."""
    patterns = [f"%{form}%" for word in words for form in (word, word.encode().hex())]
    found = set()
    for (table,) in await conn.fetch(_TABLES):
        query = f"SELECT EXISTS (SELECT FROM {table} AS row WHERE row::text LIKE ANY ($1::text[]))"  # noqa: S608
        if await conn.fetchval(query, patterns):
            found.add(table)
    return found
