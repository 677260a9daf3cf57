"""What is kept of an event beside its place in the chain: the sealed whole of it, or, of an erased account, nothing."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.audit.deps import Vault
from services.audit.domain.chain import Header
from services.audit.domain.keys import ErasedAccount, Owner, PayloadKey
from services.audit.handlers.owners import payload_keys
from services.audit.queries.keys import erase_account, load_account_keys, load_erasures
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import AccountErased
from shared.db.account_lock import Account
from shared.db.connection import Connection


@dataclass(frozen=True, slots=True)
class LaidDown:
    """An event as it goes into the chain; `payload` None: it is not kept."""

    header: Header
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Erased:
    """Who of a batch is gone, and the pseudonyms under which they have stood until now."""

    accounts: Mapping[Account, ErasedAccount]
    pseudonyms: Mapping[Account, bytes]

    def has(self, envelope: Envelope[Event]) -> bool:
        """Whether the event is of an account that is gone. Its news may come long after the erasure."""
        gone = self.accounts.get((envelope.tenant_id, envelope.account_id or ""))
        return gone is not None and (isinstance(envelope.data, AccountErased) or gone.has(envelope.time))


async def lay_down(conn: Connection, envelopes: Sequence[Envelope[Event]], vault: Vault) -> list[LaidDown]:
    """Seal each; under the heads' locks. Whatever is still there of erased accounts goes first."""
    erased = await _erase(
        conn, {(each.tenant_id, each.account_id) for each in envelopes if each.account_id is not None}
    )
    owners = [_owner(each) for each in envelopes if not erased.has(each)]
    keys = await payload_keys(conn, [*owners, *((each.tenant_id, None) for each in envelopes)], vault)
    return [_forget(each, keys, erased, vault) if erased.has(each) else _keep(each, keys, vault) for each in envelopes]


async def _erase(conn: Connection, accounts: set[Account]) -> _Erased:
    """Also before `account.erased` is here: a new account of the same id must not come under the old one's key."""
    gone = await load_erasures(conn, accounts) if accounts else {}
    if not gone:
        return _Erased({}, {})
    before = {(key.tenant_id, key.account_id): key.pseudonym for key in await load_account_keys(conn, list(gone))}
    for tenant_id, account_id in sorted(gone):
        await erase_account(conn, tenant_id, account_id)
    kept = {(key.tenant_id, key.account_id) for key in await load_account_keys(conn, list(gone))}
    return _Erased(gone, {account: pseudonym for account, pseudonym in before.items() if account not in kept})


def _keep(envelope: Envelope[Event], keys: Mapping[Owner, PayloadKey], vault: Vault) -> LaidDown:
    key = keys[_owner(envelope)]
    return _laid_down(envelope, vault.seal(key, envelope), key.pseudonym)


def _forget(envelope: Envelope[Event], keys: Mapping[Owner, PayloadKey], erased: _Erased, vault: Vault) -> LaidDown:
    """That an account was erased, and by whom, stays readable for its tenant, without the id. All else is sealed with
    a key that nobody keeps, for the digest's sake, and thrown away.
    """
    account = envelope.tenant_id, envelope.account_id or ""
    tenant_key = keys[envelope.tenant_id, None]
    if isinstance(envelope.data, AccountErased):
        nameless = dataclasses.replace(envelope, account_id=None)
        return _laid_down(nameless, vault.seal(tenant_key, nameless), erased.pseudonyms.get(account))
    lost = vault.open_account_key(tenant_key, vault.new_account_key(tenant_key, *account))
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
