"""Upkeep of the tables that are cut into ranges of time."""

from shared.db.connection import Connection


async def maintain_partitions(conn: Connection) -> list[str]:
    """Make the coming ranges and drop the outlived ones; returns what was done."""
    rows = await conn.fetch("SELECT done FROM bus.maintain_partitions() AS done")
    return [row["done"] for row in rows]
