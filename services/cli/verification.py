"""Verifying the audit log, from the operator's side: which tenants, which keys, which head was kept."""

import base64
import binascii
import dataclasses
import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from services.audit.adapters.signing import public_keys
from services.audit.domain.heads import SignedHead
from services.audit.domain.inspection import (
    BrokenLink,
    CutTail,
    Doubled,
    EditedHeader,
    EditedPayload,
    Finding,
    ForgedHead,
    Gap,
    Rewritten,
)
from services.audit.queries.verification import load_signing_keys
from services.audit.verification import Report, chained_tenants, verify_chain
from services.cli.operator import operator_database
from shared.contracts.events import AuditHead
from shared.crypto.keyring import load_ring
from shared.db.pool import Database

RING = "sign.audit"


class BadHead(Exception):
    """The file holds no signed head; the text says why."""


class ChainBroken(Exception):
    """A chain does not verify; the text says what was found first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Reports of the chains that were read. `with_ring`: signatures were checked with keys from our own ring."""

    reports: tuple[Report, ...]
    with_ring: bool

    @property
    def is_intact(self) -> bool:
        """Nothing was found in any."""
        return all(report.is_intact for report in self.reports)


async def verify(
    dsn: str, *, key_dir: Path | None, tenant_id: UUID | None = None, head: SignedHead | None = None
) -> Verification:
    """Verify one tenant's chain, or, without tenant and head, every chain."""
    wanted = head.tenant_id if head is not None else tenant_id
    async with operator_database(dsn) as database:
        keys, with_ring = await _keys(database, key_dir)
        tenants: Sequence[UUID] = [wanted] if wanted is not None else await chained_tenants(database)
        reports = [await verify_chain(database, each, keys=keys, pinned=head) for each in tenants]
    return Verification(reports=tuple(reports), with_ring=with_ring)


async def verify_tenant(dsn: str, tenant_id: UUID, key_dir: Path) -> int:
    """The number of entries of a chain that is whole. Raises `ChainBroken`."""
    [report] = (await verify(dsn, key_dir=key_dir, tenant_id=tenant_id)).reports
    if not report.is_intact:
        raise ChainBroken(describe(report.findings[0]))
    return report.entries


async def _keys(database: Database, key_dir: Path | None) -> tuple[dict[str, bytes], bool]:
    """Whoever can write to the database can put a public key there: the ring's, where it is at hand, count more."""
    async with database.connection() as conn:
        keys = await load_signing_keys(conn)
    if key_dir is None or not (key_dir / f"{RING}.json").exists():
        return keys, False
    return keys | public_keys(load_ring(key_dir, RING)), True


def read_head(path: Path) -> SignedHead:
    """A signed head that was kept: the event ``audit.head`` as JSON, the line ``audit_head`` of a log, or the answer of
    ``GET /v1/audit/proof``.

    Raises `BadHead`.
    """
    try:
        document = json.loads(path.read_text())
        fields = document.get("data") or document.get("head") or document
        head = AuditHead.model_validate_json(json.dumps({name: fields.get(name) for name in AuditHead.model_fields}))
        return SignedHead(
            tenant_id=UUID(document.get("tenantid") or document["tenant_id"]),
            seq=head.seq,
            hash=bytes.fromhex(head.hash),
            signed_at=head.signed_at.astimezone(dt.UTC),
            key_id=head.key_id,
            signature=base64.urlsafe_b64decode(head.signature),
        )
    except OSError as error:
        raise BadHead(f"{path}: {error.strerror}") from None
    except (ValidationError, ValueError, KeyError, AttributeError, binascii.Error):
        raise BadHead(f"{path}: no audit.head event as JSON, no audit_head line of a log, and no audit proof") from None


def describe(finding: Finding) -> str:
    """A finding as a sentence."""
    match finding:
        case Gap(first, last):
            return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
        case Doubled(seq):
            return f"there is more than one entry {seq}"
        case EditedHeader(seq):
            return f"entry {seq} was edited: its fields do not give its hash"
        case BrokenLink(seq):
            return f"entry {seq} follows another entry than the one before it: that one was replaced"
        case EditedPayload(seq):
            return f"the payload of entry {seq} was edited"
        case CutTail(last_seq, known_seq, source):
            return f"the tail was cut off: the chain ends with entry {last_seq}, the {source} knows entry {known_seq}"
        case Rewritten(seq, source):
            return f"entry {seq} is not the one that the {source} knows: the chain up to it was rewritten"
        case ForgedHead(seq, source):
            return f"the {source} at entry {seq} is not signed by the key that it names"


def as_json(report: Report) -> dict[str, object]:
    """A report for machines."""
    return {
        "tenant_id": str(report.tenant_id),
        "entries": report.entries,
        "payloads": report.payloads,
        "last_seq": report.last_seq,
        "is_intact": report.is_intact,
        "proved_seq": report.proved_seq,
        "found": report.found,
        "findings": [{"kind": _kind(finding)} | dataclasses.asdict(finding) for finding in report.findings],
    }


def _kind(finding: Finding) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(finding).__name__).lower()
