"""Signed ends of chains: whoever keeps one can prove later that nothing before it was cut off or rewritten."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from services.audit.domain.chain import encode_fields, microseconds

SIGN_AFTER_ENTRIES = 1_000
SIGN_AFTER = dt.timedelta(hours=1)

_VERSION = b"deskfactor audit head v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a tenant's chain, and how far it was signed. `signed_at` None: never."""

    tenant_id: UUID
    seq: int
    hash: bytes
    signed_seq: int
    signed_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """At `signed_at` (system time) the tenant's chain ended with entry `seq`, whose hash is `hash`."""

    tenant_id: UUID
    seq: int
    hash: bytes
    signed_at: dt.datetime
    key_id: str
    signature: bytes


def is_full(head: Head) -> bool:
    """Whether so many entries came that signing does not wait for the hour."""
    return head.seq - head.signed_seq >= SIGN_AFTER_ENTRIES


def signed_bytes(tenant_id: UUID, seq: int, head_hash: bytes, signed_at: dt.datetime) -> bytes:
    """What the signature is over."""
    return encode_fields(_VERSION, tenant_id.bytes, seq.to_bytes(8, "big"), head_hash, microseconds(signed_at))
