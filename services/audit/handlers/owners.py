"""The keys of those whose payloads are appended; who has none yet gets one."""

from collections.abc import Collection, Mapping
from uuid import UUID

from services.audit.deps import Vault
from services.audit.domain.keys import Owner, PayloadKey
from services.audit.queries.keys import Stored, insert_account_keys, insert_tenant_keys
from shared.db.connection import Connection


async def payload_keys(
    conn: Connection, owners: Collection[Owner], stored: Mapping[Owner, Stored], vault: Vault
) -> dict[Owner, PayloadKey]:
    """The key of every owner, opened, and those of all tenants of whose ``stored`` there is one.

    Under the heads' locks, so that two batches do not make two keys of one account.
    """
    tenant_keys = await _tenant_keys(conn, stored, vault)
    keys: dict[Owner, PayloadKey] = {(tenant_id, None): key for tenant_id, key in tenant_keys.items()}
    missing = []
    for tenant_id, account_id in owners:
        if account_id is None:
            continue
        row = stored[tenant_id, account_id].account_key
        if row is None:
            missing.append((tenant_id, account_id))
        else:
            keys[tenant_id, account_id] = vault.open_account_key(tenant_keys[tenant_id], row)
    if missing:
        made = [
            vault.new_account_key(tenant_keys[tenant_id], tenant_id, account_id) for tenant_id, account_id in missing
        ]
        await insert_account_keys(conn, [row for row, _ in made])
        keys |= {(row.tenant_id, row.account_id): key for row, key in made}
    return keys


async def _tenant_keys(conn: Connection, stored: Mapping[Owner, Stored], vault: Vault) -> dict[UUID, PayloadKey]:
    wrapped = {tenant_id: each.tenant_key for (tenant_id, _), each in stored.items()}
    made = {tenant_id: vault.new_tenant_key(tenant_id) for tenant_id, text in wrapped.items() if text is None}
    if made:
        await insert_tenant_keys(conn, made)
    return {tenant_id: vault.open_tenant_key(tenant_id, text or made[tenant_id]) for tenant_id, text in wrapped.items()}
