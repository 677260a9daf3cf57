"""Tenants' policies."""

import datetime as dt
from uuid import UUID

from services.policy.domain.requirement import Covered, StoredPolicy
from shared.contracts.policy import Policy
from shared.contracts.types import Role
from shared.db.connection import Connection, Record


async def read_policy(conn: Connection, tenant_id: UUID) -> StoredPolicy:
    """The tenant's policy, or the default."""
    row = await conn.fetchrow(
        "SELECT version, policy, requirements, updated_at FROM policy.policies WHERE tenant_id = $1", tenant_id
    )
    return _policy(row) if row else StoredPolicy()


async def lock_policy(conn: Connection, tenant_id: UUID) -> StoredPolicy:
    """The tenant's policy, which nobody else replaces until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':policy', 0))", tenant_id)
    return await read_policy(conn, tenant_id)


async def store_policy(conn: Connection, tenant_id: UUID, stored: StoredPolicy) -> None:
    """Put a version in the place of the one before."""
    await conn.execute(
        """
        INSERT INTO policy.policies (tenant_id, version, policy, requirements, updated_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant_id) DO UPDATE
           SET version = excluded.version, policy = excluded.policy, requirements = excluded.requirements,
               updated_at = excluded.updated_at
        """,
        tenant_id,
        stored.version,
        stored.policy.model_dump(mode="json"),
        {role.value: _document(covered) for role, covered in stored.requirements.items()},
        stored.updated_at,
    )


def _document(covered: Covered) -> dict[str, str]:
    document = {"since": covered.since.isoformat()}
    return document if covered.until is None else document | {"until": covered.until.isoformat()}


def _policy(row: Record) -> StoredPolicy:
    return StoredPolicy(
        version=row["version"],
        policy=Policy.model_validate(row["policy"]),
        requirements={Role(role): _covered(document) for role, document in row["requirements"].items()},
        updated_at=row["updated_at"],
    )


def _covered(document: dict[str, str]) -> Covered:
    until = document.get("until")
    return Covered(dt.datetime.fromisoformat(document["since"]), dt.datetime.fromisoformat(until) if until else None)
