"""What policy may know of a tenant."""

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.tenant import TenantSettings
from shared.db.connection import Connection

_LONGEST_NAME = 80  # characters that fit a subject


@dataclass(frozen=True, slots=True)
class Letterhead:
    """In whose name notices are written, and in which colour."""

    name: str
    colour: str


async def read_letterhead(conn: Connection, tenant_id: UUID) -> Letterhead:
    """The tenant's. Raises `LookupError`: whoever has accounts has a tenant."""
    row = await conn.fetchrow("SELECT name, settings FROM gateway.tenant_profiles WHERE tenant_id = $1", tenant_id)
    if row is None:
        raise LookupError("no such tenant")
    name = "".join(each if each.isprintable() else " " for each in row["name"])
    return Letterhead(name[:_LONGEST_NAME], TenantSettings.model_validate(row["settings"]).colour)
