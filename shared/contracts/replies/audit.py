"""Answers about the audit log."""

import datetime as dt
from uuid import UUID

from shared.contracts.types import Value


class Entry(Value):
    """One entry of the audit log, its payload opened; `event` None: erased or past retention."""

    seq: int
    id: str
    type: str
    at: dt.datetime
    account_id: str | None
    actor: str | None
    event: dict[str, object] | None
    pseudonym: str | None = None  # these four in hexadecimal, where they were asked for
    payload_digest: str | None = None
    previous_hash: str | None = None
    hash: str | None = None


class SignedHeadView(Value):
    """A signed end of the chain, as the event `audit.head` tells it."""

    seq: int
    hash: str
    signed_at: dt.datetime
    key_id: str
    signature: str  # Ed25519, base64url


class SigningKey(Value):
    """The public half of a key that signs heads: 32 bytes, base64url."""

    key_id: str
    public_key: str


class ProofAnswer(Value):
    """A tenant's chain: its end, its newest signed head, earlier ones newest first, and the keys that signed them."""

    tenant_id: UUID
    last_seq: int
    last_hash: str
    head: SignedHeadView | None = None
    heads: tuple[SignedHeadView, ...] = ()
    keys: tuple[SigningKey, ...] = ()


class OpenedAuditExport(Value):
    """Up to which sequence number, exclusive, the file goes."""

    before: int


class EntriesAnswer(Value):
    """A page of the audit log."""

    entries: tuple[Entry, ...]
    has_more: bool
