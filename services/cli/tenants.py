"""Tenants and their keys, made by hand: what must be there before anybody can call the API."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.cli.operator import announce, operator_transaction
from services.gateway.api.auth import KeyScope
from services.gateway.queries.api_keys import KeyRow, insert_key, list_keys, revoke_key
from services.gateway.queries.tenants import lock_tenant, update_tenant
from shared.contracts.events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    TenantChanged,
    TenantCreated,
    TenantResumed,
    TenantSuspended,
)
from shared.contracts.tenant import AdminProof, TenantSettings
from shared.crypto.api_keys import api_key_digest, api_key_hint, new_api_key
from shared.db.connection import Connection
from shared.ids import new_id
from shared.secret import Secret


class NoSuchTenant(Exception):
    """There is no tenant of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTenant:
    """A tenant as the operator sees it."""

    tenant_id: UUID
    name: str
    is_sandbox: bool
    created_at: dt.datetime
    suspended_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A new API key; nobody can show it again."""

    key_id: UUID
    key: Secret[str]
    scopes: tuple[str, ...]


async def create_tenant(dsn: str, *, name: str, is_sandbox: bool) -> UUID:
    """A tenant with its clock, and the news of it, in one transaction."""
    tenant_id = new_id()
    async with operator_transaction(dsn, tenant_id) as conn:
        await conn.execute(
            "INSERT INTO gateway.tenants (tenant_id, name, is_sandbox) VALUES ($1, $2, $3)", tenant_id, name, is_sandbox
        )
        await conn.execute("INSERT INTO policy.clocks (tenant_id, is_sandbox) VALUES ($1, $2)", tenant_id, is_sandbox)
        await announce(conn, tenant_id, TenantCreated(name=name, is_sandbox=is_sandbox))
    return tenant_id


async def list_tenants(dsn: str) -> list[ListedTenant]:
    """All of them, oldest first."""
    async with operator_transaction(dsn, work_queues=True) as conn:
        rows = await conn.fetch(
            "SELECT tenant_id, name, is_sandbox, created_at, suspended_at FROM gateway.tenants ORDER BY tenant_id"
        )
    return [ListedTenant(**dict(row)) for row in rows]


async def suspend_tenant(dsn: str, tenant_id: UUID) -> bool:
    """Its keys are refused from now on; False when that was so before. Raises `NoSuchTenant`."""
    async with operator_transaction(dsn, tenant_id) as conn:
        await _is_sandbox(conn, tenant_id)
        is_new = await conn.fetchval(
            """
            UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1 AND suspended_at IS NULL RETURNING true
            """,
            tenant_id,
        )
        if is_new:
            await announce(conn, tenant_id, TenantSuspended())
    return bool(is_new)


async def switch_admin_proof_off(dsn: str, tenant_id: UUID, *, reason: str) -> bool:
    """The tenant's admins act without a proof from now on, and all of them are told; False when that was so before.

    For a tenant whose admins have no second factor left: none of them can switch it off. Raises `NoSuchTenant`.
    """
    async with operator_transaction(dsn, tenant_id) as conn:
        await _is_sandbox(conn, tenant_id)
        row = await lock_tenant(conn, tenant_id)
        before = TenantSettings.model_validate(row.settings)
        if before.admin_proof is AdminProof.OPTIONAL:
            return False
        after = before.model_copy(update={"admin_proof": AdminProof.OPTIONAL})
        await update_tenant(conn, tenant_id, row.name, after.model_dump(mode="json"))
        changed = TenantChanged(changed=("admin_proof",), admin_proof=AdminProof.OPTIONAL, reason=reason)
        await announce(conn, tenant_id, changed)
    return True


async def resume_tenant(dsn: str, tenant_id: UUID) -> bool:
    """Its keys are good again; False when they were. Raises `NoSuchTenant`."""
    async with operator_transaction(dsn, tenant_id) as conn:
        await _is_sandbox(conn, tenant_id)
        is_new = await conn.fetchval(
            """
            UPDATE gateway.tenants SET suspended_at = NULL
             WHERE tenant_id = $1 AND suspended_at IS NOT NULL RETURNING true
            """,
            tenant_id,
        )
        if is_new:
            await announce(conn, tenant_id, TenantResumed())
    return bool(is_new)


async def list_api_keys(dsn: str, tenant_id: UUID) -> list[KeyRow]:
    """Those of a tenant that are not revoked, oldest first. Raises `NoSuchTenant`."""
    async with operator_transaction(dsn, tenant_id) as conn:
        await _is_sandbox(conn, tenant_id)
        return await list_keys(conn, tenant_id)


async def create_api_key(dsn: str, tenant_id: UUID, *, name: str) -> Secret[str]:
    """A key of a tenant that may do everything."""
    return (await make_api_key(dsn, tenant_id, name=name)).key


async def make_api_key(
    dsn: str,
    tenant_id: UUID,
    *,
    name: str,
    scopes: Sequence[KeyScope] = tuple(KeyScope),
    expires_at: dt.datetime | None = None,
) -> MadeKey:
    """A key of a tenant; only its digest is stored. Raises `NoSuchTenant`."""
    key_id, wanted = new_id(), tuple(sorted(scope.value for scope in set(scopes)))
    async with operator_transaction(dsn, tenant_id) as conn:
        key = new_api_key(await _is_sandbox(conn, tenant_id))
        await insert_key(
            conn,
            tenant_id=tenant_id,
            key_id=key_id,
            digest=api_key_digest(key.reveal()),
            name=name,
            hint=api_key_hint(key),
            scopes=wanted,
            expires_at=expires_at,
        )
        await announce(conn, tenant_id, ApiKeyCreated(key_id=str(key_id), scopes=wanted))
    return MadeKey(key_id=key_id, key=key, scopes=wanted)


async def revoke_api_key(dsn: str, tenant_id: UUID, key_id: UUID) -> bool:
    """End a key, also a tenant's last one; within seconds it is good nowhere. False when there is none to end."""
    async with operator_transaction(dsn, tenant_id) as conn:
        is_revoked = await revoke_key(conn, tenant_id, key_id)
        if is_revoked:
            await announce(conn, tenant_id, ApiKeyRevoked(key_id=str(key_id)))
    return is_revoked


async def _is_sandbox(conn: Connection, tenant_id: UUID) -> bool:
    found = await conn.fetchval("SELECT is_sandbox FROM gateway.tenants WHERE tenant_id = $1", tenant_id)
    if found is None:
        raise NoSuchTenant(f"there is no tenant {tenant_id}")
    return bool(found)
