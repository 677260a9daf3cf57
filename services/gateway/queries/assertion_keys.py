"""The public halves of the keys that sign assertions; otp_worker publishes them."""

from dataclasses import dataclass

from shared.db.connection import Connection


@dataclass(frozen=True, slots=True)
class AssertionKey:
    """An Ed25519 public key, 32 bytes."""

    key_id: str
    public_key: bytes


async def assertion_keys(conn: Connection) -> list[AssertionKey]:
    """All of them, oldest first."""
    rows = await conn.fetch("SELECT key_id, public_key FROM otp.assertion_keys ORDER BY created_at, key_id")
    return [AssertionKey(row["key_id"], row["public_key"]) for row in rows]
