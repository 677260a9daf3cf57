"""A gateway without the services that decide: its callers, and what it leaves in the database."""

import datetime as dt
import json
from uuid import UUID

import asyncpg

from services.gateway.api.auth import KeyScope
from tests.support.api_client import Client, store_key

ADA = "/v1/accounts/ada"
NOBODYS = UUID(int=7)  # not of this run: the names of tests must be the same in each


async def key_with(client: Client, dsn: str, *scopes: KeyScope, expires_at: dt.datetime | None = None) -> Client:
    """Another key of the same tenant."""
    key = await store_key(dsn, client.tenant_id, scopes=scopes, expires_at=expires_at)
    return Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=key)


async def fetch(dsn: str, query: str, *values: object) -> list[asyncpg.Record]:
    """Rows as the superuser sees them."""
    conn = await asyncpg.connect(dsn)
    try:
        return list(await conn.fetch(query, *values))
    finally:
        await conn.close()


async def outbox(dsn: str, tenant_id: UUID) -> list[tuple[str, dict[str, object]]]:
    """Type and data of what left for a tenant."""
    rows = await fetch(dsn, "SELECT body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id", tenant_id)
    bodies = [json.loads(row["body"]) for row in rows]
    return [(body["type"], body["data"]) for body in bodies]
