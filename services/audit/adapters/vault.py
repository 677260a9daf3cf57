"""Payloads at rest: sealed with the account's data key, or with the tenant's where no account is concerned."""

import hmac
import json
import secrets
from uuid import UUID

from services.audit.domain.keys import Owner, PayloadKey, WrappedKey
from shared.contracts.codec import text_of
from shared.contracts.envelope import Envelope, Message
from shared.crypto.data_keys import MasterKey, new_data_key, unwrap_account_key, wrap_account_key
from shared.crypto.sealing import Place, decrypt, encrypt

_SALT_BYTES = 32


class RingVault:
    """Makes, wraps and uses data keys. Keeps none: an erased account's key is gone with its row."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master

    def new_tenant_key(self, tenant_id: UUID) -> str:
        """A fresh key of a tenant, wrapped by the master key."""
        return self._master.wrap(tenant_id, new_data_key())

    def open_tenant_key(self, tenant_id: UUID, wrapped: str) -> PayloadKey:
        """The tenant's key. Raises `UnknownKey`, `BrokenSeal`."""
        return PayloadKey(self._master.unwrap(tenant_id, wrapped), None)

    def new_account_key(
        self, tenant_key: PayloadKey, tenant_id: UUID, account_id: str
    ) -> tuple[WrappedKey, PayloadKey]:
        """A fresh key, salt and pseudonym of an account, to be kept and to be used."""
        key, salt = new_data_key(), secrets.token_bytes(_SALT_BYTES)
        pseudonym = hmac.digest(salt, account_id.encode(), "sha256")
        wrapped = wrap_account_key(tenant_key.key, tenant_id, account_id, key)
        row = WrappedKey(tenant_id=tenant_id, account_id=account_id, salt=salt, pseudonym=pseudonym, wrapped=wrapped)
        return row, PayloadKey(key, pseudonym)

    def open_account_key(self, tenant_key: PayloadKey, row: WrappedKey) -> PayloadKey:
        """The account's key. Raises `BrokenSeal`."""
        return PayloadKey(unwrap_account_key(tenant_key.key, row.tenant_id, row.account_id, row.wrapped), row.pseudonym)

    def seal(self, key: PayloadKey, envelope: Envelope[Message]) -> bytes:
        """The whole event, for rest."""
        return encrypt(key.key, text_of(envelope), _place(envelope.tenant_id, envelope.account_id, envelope.id))

    def open(self, key: PayloadKey, owner: Owner, entry_id: UUID, sealed: bytes) -> dict[str, object]:
        """The event as a CloudEvent's JSON object. Raises `BrokenSeal`."""
        document: dict[str, object] = json.loads(decrypt(key.key, sealed, _place(*owner, entry_id)))
        return document


def _place(tenant_id: UUID, account_id: str | None, entry_id: UUID) -> Place:
    return Place(
        tenant_id=tenant_id, account_id=account_id or "", purpose="audit", record=str(entry_id), field="payload"
    )
