"""What is kept of an event beside its place in the chain: the sealed whole of it, or, of an erased account, nothing."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.audit.deps import Vault
from services.audit.domain.chain import Header
from services.audit.domain.keys import ErasedAccount, Owner, PayloadKey
from services.audit.handlers.owners import payload_keys
from services.audit.queries.keys import Stored, erase_account, load_owners
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import AccountErased
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True)
class LaidDown:
    """An event as it goes into the chain; `payload` None: it is not kept."""

    header: Header
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Erased:
    """Who of a batch is gone, and the pseudonyms under which they have stood until now."""

    accounts: Mapping[Owner, ErasedAccount]
    pseudonyms: Mapping[Owner, bytes]

    def has(self, envelope: Envelope[Event]) -> bool:
        """Whether the event is of an account that is gone. Its news may come long after the erasure."""
        gone = self.accounts.get(_owner(envelope))
        return gone is not None and (isinstance(envelope.data, AccountErased) or gone.has(envelope.time))


async def lay_down(conn: Connection, envelopes: Sequence[Envelope[Event]], vault: Vault) -> list[LaidDown]:
    """Seal each; under the heads' locks. Whatever is still there of erased accounts goes first."""
    owners = {_owner(each) for each in envelopes}
    stored = await load_owners(conn, owners)
    if not any(each.erased for each in stored.values()):
        keys = await payload_keys(conn, owners, stored, vault)
        return [_keep(each, keys, vault) for each in envelopes]
    stored, erased = await _erase(conn, stored)
    kept = {_owner(each) for each in envelopes if not erased.has(each)}
    keys = await payload_keys(conn, kept, stored, vault)
    return [_forget(each, keys, erased, vault) if erased.has(each) else _keep(each, keys, vault) for each in envelopes]


async def _erase(conn: Connection, stored: Mapping[Owner, Stored]) -> tuple[dict[Owner, Stored], _Erased]:
    """Also before `account.erased` is here: a new account of the same id must not come under the old one's key."""
    gone = {owner: each.erased for owner, each in stored.items() if each.erased is not None}
    for tenant_id, account_id in sorted((tenant_id, account_id or "") for tenant_id, account_id in gone):
        await erase_account(conn, tenant_id, account_id)
    left = await load_owners(conn, stored)
    pseudonyms = {
        owner: each.account_key.pseudonym
        for owner, each in stored.items()
        if each.account_key is not None and left[owner].account_key is None
    }
    return left, _Erased(gone, pseudonyms)


def _keep(envelope: Envelope[Event], keys: Mapping[Owner, PayloadKey], vault: Vault) -> LaidDown:
    key = keys[_owner(envelope)]
    return _laid_down(envelope, vault.seal(key, envelope), key.pseudonym)


def _forget(envelope: Envelope[Event], keys: Mapping[Owner, PayloadKey], erased: _Erased, vault: Vault) -> LaidDown:
    """That an account was erased, and by whom, stays readable for its tenant, without the id. All else is sealed with
    a key that nobody keeps, for the digest's sake, and thrown away.
    """
    tenant_key = keys[envelope.tenant_id, None]
    if isinstance(envelope.data, AccountErased):
        nameless = dataclasses.replace(envelope, account_id=None)
        return _laid_down(nameless, vault.seal(tenant_key, nameless), erased.pseudonyms.get(_owner(envelope)))
    _, lost = vault.new_account_key(tenant_key, envelope.tenant_id, envelope.account_id or "")
    return dataclasses.replace(_laid_down(envelope, vault.seal(lost, envelope), lost.pseudonym), payload=None)


def _laid_down(envelope: Envelope[Event], sealed: bytes, pseudonym: bytes | None) -> LaidDown:
    header = Header(
        tenant_id=envelope.tenant_id,
        entry_id=envelope.id,
        kind=envelope.data.type,
        at=envelope.time,
        pseudonym=pseudonym,
        payload_digest=hashlib.sha256(sealed).digest(),
    )
    return LaidDown(header, sealed)


def _owner(envelope: Envelope[Event]) -> Owner:
    return envelope.tenant_id, envelope.account_id
