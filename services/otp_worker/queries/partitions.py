"""Upkeep of the tables that are cut into ranges of time."""

from shared.db.connection import Connection

TIMEOUT = 300.0  # seconds: after a long standstill there may be much to move
LOCK_TIMEOUT = 500  # milliseconds: beside a dump, who comes later waits behind us; it comes again in an hour


async def maintain_partitions(conn: Connection) -> list[str]:
    """Make the coming ranges and drop the outlived ones; returns what was done. In a transaction."""
    await conn.execute(f"SET LOCAL statement_timeout = '{TIMEOUT:.0f}s'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}ms'")
    rows = await conn.fetch("SELECT done FROM bus.maintain_partitions() AS done", timeout=TIMEOUT)
    return [row["done"] for row in rows]
