"""Tenants' policies."""

from uuid import UUID

from services.policy.domain.requirement import StoredPolicy
from shared.contracts.policy import Policy
from shared.contracts.requirement import COVERED, EARLIER
from shared.contracts.types import Role
from shared.db.connection import Connection, Record


async def read_policy(conn: Connection, tenant_id: UUID) -> StoredPolicy:
    """The tenant's policy, or the default."""
    row = await conn.fetchrow(
        "SELECT version, policy, requirements, earlier, updated_at, saved_by FROM policy.policies WHERE tenant_id = $1",
        tenant_id,
    )
    return _policy(row) if row else StoredPolicy()


async def lock_policy(conn: Connection, tenant_id: UUID) -> StoredPolicy:
    """The tenant's policy, which nobody else replaces until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':policy', 0))", tenant_id)
    return await read_policy(conn, tenant_id)


async def hold_policy(conn: Connection, tenant_id: UUID) -> None:
    """Until the transaction ends nobody replaces the tenant's policy; any number may hold it.

    For what cannot be computed again: a lock that is announced while the requirement ends would stand in the log, and
    in a mail, after the end.
    """
    await conn.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended($1::uuid || ':policy', 0))", tenant_id)


async def store_policy(conn: Connection, tenant_id: UUID, stored: StoredPolicy) -> None:
    """Put a version in the place of the one before."""
    await conn.execute(
        """
        INSERT INTO policy.policies (tenant_id, version, policy, requirements, earlier, updated_at, saved_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (tenant_id) DO UPDATE
           SET version = excluded.version, policy = excluded.policy, requirements = excluded.requirements,
               earlier = excluded.earlier, updated_at = excluded.updated_at, saved_by = excluded.saved_by
        """,
        tenant_id,
        stored.version,
        stored.policy.model_dump(mode="json"),
        {role.value: COVERED.dump_python(covered, mode="json") for role, covered in stored.requirements.items()},
        EARLIER.dump_python(stored.earlier, mode="json"),
        stored.updated_at,
        stored.saved_by,
    )


def _policy(row: Record) -> StoredPolicy:
    return StoredPolicy(
        version=row["version"],
        policy=Policy.model_validate(row["policy"]),
        requirements={Role(role): COVERED.validate_python(each) for role, each in row["requirements"].items()},
        earlier=EARLIER.validate_python(row["earlier"]),
        updated_at=row["updated_at"],
        saved_by=row["saved_by"],
    )
