"""Tenants for tests, made as an operator makes them."""

from uuid import UUID

import asyncpg

from shared.ids import new_id


async def new_tenant(dsn: str, *, is_sandbox: bool = True, name: str = "Acme Helpdesk") -> UUID:
    """A tenant with a clock; its id."""
    tenant_id = new_id()
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            "INSERT INTO gateway.tenants (tenant_id, name, is_sandbox) VALUES ($1, $2, $3)", tenant_id, name, is_sandbox
        )
        await conn.execute("INSERT INTO policy.clocks (tenant_id, is_sandbox) VALUES ($1, $2)", tenant_id, is_sandbox)
    finally:
        await conn.close()
    return tenant_id
