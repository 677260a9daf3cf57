"""Every event becomes one entry of its tenant's chain."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeGuard
from uuid import UUID

import structlog

from services.audit import announcements
from services.audit.deps import Deps
from services.audit.domain.chain import Entry, Header, Tip, append
from services.audit.domain.heads import Head, is_full
from services.audit.handlers.payloads import lay_down
from services.audit.queries.entries import append_entries
from services.audit.queries.heads import (
    LockedHead,
    insert_heads,
    insert_signing_keys,
    lock_heads,
    record_signatures,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.events import AccountErased, AuditHead
from shared.db.connection import Connection
from shared.db.tenant_time import tenants_now
from shared.messaging.outcome import Done
from shared.messaging.unit_of_work import UnitOfWork
from shared.observability.metrics import AUDIT_ENTRIES

log = structlog.get_logger()


async def append_events(envelopes: Sequence[Envelope[Event]], uow: UnitOfWork, deps: Deps) -> list[Done]:
    """Append all of them, in the order in which they came, with nine statements at most however many there are, one
    more for each account among them that was erased and one for all of these.

    The inbox, which commits with them, keeps a redelivered event from becoming two entries.
    """
    heads = await _hold_heads(uow.conn, {envelope.tenant_id for envelope in envelopes})
    laid = await lay_down(uow.conn, envelopes, deps.vault)

    entries, tips = _hang_on(heads, [each.header for each in laid])

    payloads = {each.header.entry_id: each.payload for each in laid}
    await append_entries(uow.conn, entries, [payloads[entry.header.entry_id] for entry in entries])
    await _sign_full(uow, deps, heads, tips)
    uow.publish(*(announcements.account_forgotten(each) for each in envelopes if _is_erasure(each)))
    _tell_heads(envelopes)
    AUDIT_ENTRIES.inc(len(entries))
    return [Done() for _ in envelopes]


async def _hold_heads(conn: Connection, tenants: set[UUID]) -> dict[UUID, LockedHead]:
    await insert_heads(conn, tenants)  # always, and first: found missing later, it would be a lock out of order
    return {each.head.tenant_id: each for each in await lock_heads(conn, tenants)}


def _hang_on(heads: Mapping[UUID, LockedHead], headers: Sequence[Header]) -> tuple[list[Entry], dict[UUID, Tip]]:
    by_tenant: dict[UUID, list[Header]] = defaultdict(list)
    for header in headers:
        by_tenant[header.tenant_id].append(header)
    entries: list[Entry] = []
    tips: dict[UUID, Tip] = {}
    for tenant_id, own in by_tenant.items():
        head = heads[tenant_id].head
        added, tips[tenant_id] = append(Tip(seq=head.seq, hash=head.hash), own)
        entries += added
    return entries, tips


async def _sign_full(uow: UnitOfWork, deps: Deps, held: Mapping[UUID, LockedHead], tips: Mapping[UUID, Tip]) -> None:
    """Sign the chains that have grown by so much that signing does not wait for the hour."""
    moved = {tenant_id: _moved(held[tenant_id].head, tip) for tenant_id, tip in tips.items()}
    signed = [deps.signer.sign(head, held[tenant_id].now) for tenant_id, head in moved.items() if is_full(head)]
    if signed:
        await insert_signing_keys(uow.conn, deps.signer.public_keys)
        await record_signatures(uow.conn, signed)
        now = await tenants_now(uow.conn, [head.tenant_id for head in signed])
        uow.publish(*(announcements.head_signed(head, at=now[head.tenant_id]) for head in signed))


def _is_erasure(envelope: Envelope[Event]) -> TypeGuard[Envelope[AccountErased]]:
    return isinstance(envelope.data, AccountErased)


def _moved(head: Head, tip: Tip) -> Head:
    return Head(
        tenant_id=head.tenant_id,
        seq=tip.seq,
        hash=tip.hash,
        signed_seq=head.signed_seq,
        signed_at=head.signed_at,
    )


def _tell_heads(envelopes: Sequence[Envelope[Event]]) -> None:
    """Each signed head goes to the log too: whoever may change the database cannot change what was written there.

    Said when the event comes round, since then the signature is committed.
    """
    for envelope in envelopes:
        if isinstance(envelope.data, AuditHead):
            log.info("audit_head", tenant_id=str(envelope.tenant_id), **envelope.data.model_dump(mode="json"))
