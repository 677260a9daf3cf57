"""What an outsider needs to check a chain: its signed heads and the public keys. How: docs/audit-proof.md."""

import base64

from services.audit.deps import Deps
from services.audit.domain.chain import GENESIS
from services.audit.domain.heads import SignedHead
from services.audit.handlers.entries import Opener
from services.audit.queries.entries import list_entries
from services.audit.queries.keys import load_tenant_keys
from services.audit.queries.verification import load_head, load_signing_keys
from shared.contracts.commands import ReadProof
from shared.contracts.envelope import Envelope
from shared.contracts.events import AuditHead
from shared.contracts.replies import ProofAnswer, SignedHeadView, SigningKey
from shared.messaging.outcome import Ok
from shared.messaging.unit_of_work import UnitOfWork

MOST_HEADS = 100


async def read_proof(command: Envelope[ReadProof], uow: UnitOfWork, deps: Deps) -> Ok:
    """The chain's end, its newest signature, and those before it as they stand in the chain themselves."""
    tenant_id = command.tenant_id
    head = await load_head(uow.conn, tenant_id)
    rows = await list_entries(
        uow.conn,
        tenant_id,
        account_id=None,
        kinds=[AuditHead.type],
        after=0,
        before=None,
        newest_first=True,
        limit=MOST_HEADS,
    )
    wrapped = await load_tenant_keys(uow.conn, [tenant_id])
    opener = Opener(deps.vault, tenant_id, wrapped.get(tenant_id))
    told = [entry.event for entry in map(opener.entry, rows) if entry.event is not None]
    keys = await load_signing_keys(uow.conn)
    answer = ProofAnswer(
        tenant_id=tenant_id,
        last_seq=head.tip.seq if head is not None else 0,
        last_hash=(head.tip.hash if head is not None else GENESIS).hex(),
        head=_view(head.signed) if head is not None and head.signed is not None else None,
        heads=tuple(SignedHeadView.model_validate(event["data"]) for event in told),
        keys=tuple(SigningKey(key_id=key_id, public_key=_text(keys[key_id])) for key_id in sorted(keys)),
    )
    return Ok(answer)


def _view(head: SignedHead) -> SignedHeadView:
    return SignedHeadView(
        seq=head.seq,
        hash=head.hash.hex(),
        signed_at=head.signed_at,
        key_id=head.key_id,
        signature=_text(head.signature),
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()
