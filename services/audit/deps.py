"""What audit's handlers and duties may use."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.audit.domain.heads import Head, SignedHead
from services.audit.domain.keys import Owner, PayloadKey, WrappedKey
from shared.contracts.envelope import Envelope, Message
from shared.db.pool import Database
from shared.messaging.relay import Relay


class Vault(Protocol):
    """Makes, wraps and uses the keys under which payloads rest."""

    def new_tenant_key(self, tenant_id: UUID) -> str:
        """A fresh key, wrapped."""
        ...

    def open_tenant_key(self, tenant_id: UUID, wrapped: str) -> PayloadKey:
        """The tenant's key. Raises `UnknownKey`, `BrokenSeal`."""
        ...

    def new_account_key(
        self, tenant_key: PayloadKey, tenant_id: UUID, account_id: str
    ) -> tuple[WrappedKey, PayloadKey]:
        """A fresh key, salt and pseudonym of an account, to be kept and to be used."""
        ...

    def open_account_key(self, tenant_key: PayloadKey, row: WrappedKey) -> PayloadKey:
        """The account's key. Raises `BrokenSeal`."""
        ...

    def seal(self, key: PayloadKey, envelope: Envelope[Message]) -> bytes:
        """The whole event, for rest."""
        ...

    def open(self, key: PayloadKey, owner: Owner, entry_id: UUID, sealed: bytes) -> dict[str, object]:
        """The event as a CloudEvent's JSON object. Raises `BrokenSeal`."""
        ...


class Signer(Protocol):
    """Signs the heads of chains."""

    public_keys: Mapping[str, bytes]

    def sign(self, head: Head, at: dt.datetime) -> SignedHead:
        """The head as it is at ``at`` (system time)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Keys for handlers; database and relay for duties."""

    vault: Vault
    signer: Signer
    database: Database
    relay: Relay
