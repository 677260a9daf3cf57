"""The keys of those whose payloads are appended; who has none yet gets one."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.audit.deps import Vault
from services.audit.domain.keys import Owner, PayloadKey, WrappedKey
from services.audit.queries.keys import insert_account_keys, insert_tenant_keys, load_account_keys, load_tenant_keys
from shared.db.account_lock import Account
from shared.db.connection import Connection


async def payload_keys(conn: Connection, owners: Sequence[Owner], vault: Vault) -> dict[Owner, PayloadKey]:
    """Every owner's key, opened. Under the heads' locks, so that two batches do not make two keys of one account."""
    wrapped = await _tenant_keys(conn, {tenant_id for tenant_id, _ in owners}, vault)
    tenant_keys = {tenant_id: vault.open_tenant_key(tenant_id, text) for tenant_id, text in wrapped.items()}
    accounts = {(tenant_id, account_id) for tenant_id, account_id in owners if account_id is not None}
    rows = await _account_keys(conn, accounts, tenant_keys, vault) if accounts else []
    keys: dict[Owner, PayloadKey] = {(tenant_id, None): key for tenant_id, key in tenant_keys.items()}
    return keys | {
        (row.tenant_id, row.account_id): vault.open_account_key(tenant_keys[row.tenant_id], row) for row in rows
    }


async def _tenant_keys(conn: Connection, tenants: set[UUID], vault: Vault) -> dict[UUID, str]:
    known = await load_tenant_keys(conn, tenants)
    made = {tenant_id: vault.new_tenant_key(tenant_id) for tenant_id in tenants - known.keys()}
    if made:
        await insert_tenant_keys(conn, made)
    return known | made


async def _account_keys(
    conn: Connection, accounts: set[Account], tenant_keys: Mapping[UUID, PayloadKey], vault: Vault
) -> list[WrappedKey]:
    known = await load_account_keys(conn, accounts)
    missing = accounts - {(row.tenant_id, row.account_id) for row in known}
    made = [vault.new_account_key(tenant_keys[tenant_id], tenant_id, account_id) for tenant_id, account_id in missing]
    if made:
        await insert_account_keys(conn, made)
    return known + made
