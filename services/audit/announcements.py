"""What audit says itself: signed heads, who took the log away; and to policy, that an account is forgotten."""

import base64
import datetime as dt

from services.audit.domain.heads import SignedHead
from shared.contracts import events
from shared.contracts.commands import ConcludeErasure, OpenAuditExport
from shared.contracts.envelope import Envelope, begin
from shared.contracts.types import SYSTEM, Keeper

SOURCE = "/audit"


def head_signed(head: SignedHead, *, at: dt.datetime) -> Envelope[events.AuditHead]:
    """The head of a tenant's chain was signed; ``at`` is tenant time."""
    return begin(
        events.AuditHead(
            seq=head.seq,
            hash=head.hash.hex(),
            signed_at=head.signed_at,
            key_id=head.key_id,
            signature=base64.urlsafe_b64encode(head.signature).decode(),
        ),
        tenant_id=head.tenant_id,
        account_id=None,
        actor=SYSTEM,
        source=SOURCE,
        at=at,
    )


def log_exported(command: Envelope[OpenAuditExport], *, before: int, at: dt.datetime) -> Envelope[events.AuditExported]:
    """An export began, in the name of whoever asked; ``at`` is tenant time."""
    wanted = command.data
    return command.follow(
        events.AuditExported(format=wanted.format, after=wanted.after, before=before), source=SOURCE, at=at
    )


def account_forgotten(told: Envelope[events.AccountErased]) -> Envelope[ConcludeErasure]:
    """Payloads and key of an erased account went with the transaction that heard of its end."""
    done = ConcludeErasure(erasure_id=told.data.erasure_id, keeper=Keeper.AUDIT)
    return told.follow(done, source=SOURCE, at=told.time)
