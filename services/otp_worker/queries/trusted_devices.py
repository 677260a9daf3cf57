"""Trusted devices, found by the SHA-256 of their tokens."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from services.otp_worker.domain.trusted_device import TrustedDevice
from services.otp_worker.queries.accounts import Key
from shared.contracts.types import DeviceId
from shared.db.connection import Connection, Record


async def find_devices(conn: Connection, tokens: Sequence[tuple[Key, bytes]]) -> dict[Key, TrustedDevice]:
    """The devices that these tokens belong to; a token of another account finds nothing."""
    rows = await conn.fetch(
        """
        SELECT d.tenant_id, d.account_id, d.device_id, d.name, d.method, d.factor_epoch, d.created_at, d.expires_at,
               d.last_used_at
          FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS wanted (tenant_id, account_id, token_digest)
         CROSS JOIN LATERAL (
               SELECT tenant_id, account_id, device_id, name, method, factor_epoch, created_at, expires_at, last_used_at
                 FROM otp.trusted_devices AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.token_digest = wanted.token_digest
                  AND own.account_id = wanted.account_id AND own.revoked_at IS NULL OFFSET 0) AS d
        """,
        [tenant_id for (tenant_id, _), _ in tokens],
        [account_id for (_, account_id), _ in tokens],
        [digest for _, digest in tokens],
    )
    return {(row["tenant_id"], row["account_id"]): _device(row) for row in rows}


async def list_devices(conn: Connection, tenant_id: UUID, account_id: str) -> list[TrustedDevice]:
    """All that were not revoked, oldest first."""
    rows = await conn.fetch(
        """
        SELECT device_id, name, method, factor_epoch, created_at, expires_at, last_used_at
          FROM otp.trusted_devices
         WHERE tenant_id = $1 AND account_id = $2 AND revoked_at IS NULL
         ORDER BY created_at, device_id
        """,
        tenant_id,
        account_id,
    )
    return [_device(row) for row in rows]


async def touch_devices(conn: Connection, used: Sequence[tuple[UUID, DeviceId]], at: Sequence[dt.datetime]) -> None:
    """Note that they were used. ``= ANY``: to be looked up."""
    await conn.execute(
        """
        UPDATE otp.trusted_devices AS d SET last_used_at = used.at
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (tenant_id, device_id, at)
         WHERE d.tenant_id = ANY (ARRAY[used.tenant_id]) AND d.device_id = ANY (ARRAY[used.device_id])
        """,
        [tenant_id for tenant_id, _ in used],
        [device_id for _, device_id in used],
        list(at),
    )


async def insert_devices(
    conn: Connection, devices: Sequence[tuple[Key, TrustedDevice]], digests: Sequence[bytes]
) -> None:
    """Store new trusts."""
    await conn.execute(
        """
        INSERT INTO otp.trusted_devices (
               tenant_id, account_id, device_id, token_digest, name, method, factor_epoch, created_at, expires_at)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $5::text[], $6::text[], $7::int[],
                             $8::timestamptz[], $9::timestamptz[])
        """,
        [tenant_id for (tenant_id, _), _ in devices],
        [account_id for (_, account_id), _ in devices],
        [device.id for _, device in devices],
        list(digests),
        [device.name for _, device in devices],
        [device.method for _, device in devices],
        [device.factor_epoch for _, device in devices],
        [device.created_at for _, device in devices],
        [device.expires_at for _, device in devices],
    )


async def revoke_devices(
    conn: Connection, tenant_id: UUID, account_id: str, device_ids: Sequence[DeviceId], *, at: dt.datetime
) -> list[DeviceId]:
    """End these trusts; returns those that ended now."""
    rows = await conn.fetch(
        """
        UPDATE otp.trusted_devices SET revoked_at = $4
         WHERE tenant_id = $1 AND account_id = $2 AND device_id = ANY ($3::uuid[]) AND revoked_at IS NULL
        RETURNING device_id
        """,
        tenant_id,
        account_id,
        list(device_ids),
        at,
    )
    return [DeviceId(row["device_id"]) for row in rows]


def _device(row: Record) -> TrustedDevice:
    return TrustedDevice(
        id=DeviceId(row["device_id"]),
        name=row["name"],
        method=row["method"],
        factor_epoch=row["factor_epoch"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
