"""The operator's permits: without one otp_worker neither takes in factors nor gives them out."""

import datetime as dt
import uuid
from uuid import UUID

from services.cli.operator import actor, announce
from services.cli.tenants import NoSuchTenant
from services.gateway.queries.tenants import TenantRow, find_tenant, load_tenant
from shared.contracts.envelope import Event
from shared.contracts.types import PermitId
from shared.db.connection import Connection
from shared.db.pool import Database

LIFETIME = dt.timedelta(hours=24)


def import_permit_id(tenant_id: UUID, file_digest: str) -> PermitId:
    """The same for the same file: a run that broke off goes on under the permit that it began with."""
    return PermitId(uuid.uuid5(tenant_id, f"import {file_digest}"))


async def load_known_tenant(database: Database, tenant_id: UUID) -> TenantRow:
    """The tenant. Raises `NoSuchTenant`."""
    async with database.transaction([tenant_id]) as conn:
        if await find_tenant(conn, tenant_id) is None:
            raise NoSuchTenant(f"there is no tenant {tenant_id}")
        return await load_tenant(conn, tenant_id)


async def permit(
    database: Database, tenant_id: UUID, permit_id: PermitId, event: Event, *, recipient: str | None = None
) -> None:
    """Let it happen for a day, and say so in the same transaction: nothing moves that the audit log does not know of.

    ``recipient``: the key that an export is sealed to; without one it is an import.
    """
    async with database.transaction([tenant_id]) as conn:
        await _write(conn, tenant_id, permit_id, recipient)
        await announce(conn, tenant_id, event)


async def end_permit(conn: Connection, tenant_id: UUID, permit_id: PermitId) -> None:
    """What was permitted is done. Its id stands in events and in the audit log: it must open nothing any more."""
    await conn.execute(
        "UPDATE otp.permits SET expires_at = now() WHERE tenant_id = $1 AND permit_id = $2 AND expires_at > now()",
        tenant_id,
        permit_id,
    )


async def _write(conn: Connection, tenant_id: UUID, permit_id: PermitId, recipient: str | None) -> None:
    await conn.execute(
        """
        INSERT INTO otp.permits (tenant_id, permit_id, kind, recipient, actor, expires_at)
        VALUES ($1, $2, CASE WHEN $3::text IS NULL THEN 'import' ELSE 'export' END, $3, $4, now() + $5::interval)
            ON CONFLICT (tenant_id, permit_id) DO UPDATE
           SET actor = excluded.actor, granted_at = now(), expires_at = excluded.expires_at
        """,
        tenant_id,
        permit_id,
        recipient,
        actor(),
        LIFETIME,
    )
