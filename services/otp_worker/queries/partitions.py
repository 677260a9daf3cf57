"""Upkeep of the tables that are cut into ranges of time."""

from shared.db.connection import Connection

TIMEOUT = 300.0  # seconds: after a long standstill there may be much to move


async def maintain_partitions(conn: Connection) -> list[str]:
    """Make the coming ranges and drop the outlived ones; returns what was done. In a transaction."""
    await conn.execute(f"SET LOCAL statement_timeout = '{TIMEOUT:.0f}s'")
    rows = await conn.fetch("SELECT done FROM bus.maintain_partitions() AS done", timeout=TIMEOUT)
    return [row["done"] for row in rows]
