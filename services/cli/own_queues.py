"""Which tenants read their events from a queue of their own on the broker: what is told to those leaves by itself."""

from uuid import UUID

from shared.db.connection import Connection


async def note_queue(conn: Connection, tenant_id: UUID) -> None:
    """From this commit on facts about the tenant go to its queue as well; again is harmless."""
    await conn.execute(
        "INSERT INTO bus.tenants_on_the_broker (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING", tenant_id
    )


async def forget_queue(conn: Connection, tenant_id: UUID) -> None:
    """From this commit on they do not; without a queue nothing happens."""
    await conn.execute("DELETE FROM bus.tenants_on_the_broker WHERE tenant_id = $1", tenant_id)
