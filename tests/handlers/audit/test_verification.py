"""What the verifier finds in a real table, after somebody was at it who may do everything."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from services.audit.adapters.signing import public_keys
from services.audit.domain.heads import Head, SignedHead
from services.audit.domain.inspection import (
    BrokenLink,
    CutTail,
    EditedHeader,
    EditedPayload,
    Finding,
    ForgedHead,
    Gap,
    Rewritten,
)
from services.audit.handlers.heads import sign_due_heads
from services.audit.verification import Report, chained_tenants, verify_chain
from shared.crypto.keyring import load_ring
from shared.db.pool import Database
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.handlers.audit.conftest import Audit, login

if TYPE_CHECKING:
    import asyncpg

    from shared.db.connection import Record

LENGTH = 12


@pytest.fixture
async def tenant(audit: Audit) -> UUID:
    """A tenant with a chain."""
    tenant_id = new_id()
    await audit.append([login(tenant_id, f"account-{number % 3}", minute=number) for number in range(LENGTH)])
    return tenant_id


@pytest.fixture
async def operator(database_for: DatabaseFor) -> Database:
    """The database as the operator sees it."""
    return await database_for("operator")


@pytest.fixture
def keys(key_dir: Path) -> dict[str, bytes]:
    """The public keys of signatures."""
    return public_keys(load_ring(key_dir, "sign.audit"))


async def keep_head(audit: Audit, operator: Database, tenant: UUID) -> SignedHead:
    """A signed head, as somebody outside keeps it."""
    async with operator.transaction([tenant]) as conn:
        row = await conn.fetchrow("SELECT seq, hash, now() AS now FROM audit.heads WHERE tenant_id = $1", tenant)
    assert row is not None
    head = Head(tenant_id=tenant, seq=row["seq"], hash=row["hash"], signed_seq=0, signed_at=None)
    return audit.deps.signer.sign(head, row["now"])


async def verify(
    operator: Database, tenant: UUID, keys: dict[str, bytes], pinned: SignedHead | None = None
) -> tuple[Report, list[Finding]]:
    """The report and what it found."""
    report = await verify_chain(operator, tenant, keys=keys, pinned=pinned)
    return report, list(report.findings)


async def test_an_untouched_chain_verifies_and_its_tail_is_provable_with_a_pinned_head(
    audit: Audit, operator: Database, tenant: UUID, keys: dict[str, bytes]
) -> None:
    """The operator's daily check is silent, and says how far it proves anything."""
    await sign_due_heads(audit.deps)
    head = await keep_head(audit, operator, tenant)
    await audit.append([login(tenant)])

    report, _ = await verify(operator, tenant, keys)
    with_head, _ = await verify(operator, tenant, keys, head)

    assert report.is_intact
    assert with_head.is_intact
    assert (report.entries, report.payloads, report.last_seq, report.proved_seq) == (13, 13, 13, None)
    assert with_head.proved_seq == LENGTH
    assert tenant in await chained_tenants(operator)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit.entries SET kind = 'login.other' WHERE tenant_id = $1 AND seq = 5", [EditedHeader(5)]),
        ("UPDATE audit.entries SET at = at + '1 us' WHERE tenant_id = $1 AND seq = 5", [EditedHeader(5)]),
        (
            "UPDATE audit.entries SET previous_hash = hash WHERE tenant_id = $1 AND seq = 5",
            [BrokenLink(5), EditedHeader(5)],
        ),
        ("UPDATE audit.payloads SET sealed = sealed || '0' WHERE tenant_id = $1 AND seq = 5", [EditedPayload(5)]),
        ("DELETE FROM audit.entries WHERE tenant_id = $1 AND seq IN (5, 6)", [Gap(5, 6)]),
        ("DELETE FROM audit.entries WHERE tenant_id = $1 AND seq > 9", [CutTail(9, LENGTH, "stored head")]),
        ("DELETE FROM audit.payloads WHERE tenant_id = $1 AND seq < 9", []),
        ("DELETE FROM audit.account_keys WHERE tenant_id = $1", []),
    ],
    ids=["kind", "time", "link", "payload", "gap", "tail", "payloads erased", "keys erased"],
)
async def test_tampering_is_found_and_erasure_is_not_tampering(
    operator: Database,
    tenant: UUID,
    keys: dict[str, bytes],
    intruder: "asyncpg.Connection[Record]",
    statement: str,
    expected: list[Finding],
) -> None:
    """Each fault is named with its entry; what the law makes us delete is none."""
    await intruder.execute(statement, tenant)

    _, findings = await verify(operator, tenant, keys)

    assert findings == expected


async def test_a_tail_cut_off_together_with_the_head_is_found_with_a_pinned_head_only(
    audit: Audit, operator: Database, tenant: UUID, keys: dict[str, bytes], intruder: "asyncpg.Connection[Record]"
) -> None:
    """The database cannot prove its own end: why signed heads are sent out."""
    head = await keep_head(audit, operator, tenant)
    await intruder.execute("DELETE FROM audit.entries WHERE tenant_id = $1 AND seq > 9", tenant)
    await intruder.execute(
        """
        UPDATE audit.heads SET seq = 9, hash = (SELECT hash FROM audit.entries WHERE tenant_id = $1 AND seq = 9),
               signed_seq = 0, signed_hash = NULL, signed_at = NULL, signature = NULL, key_id = NULL
         WHERE tenant_id = $1
        """,
        tenant,
    )

    alone, _ = await verify(operator, tenant, keys)
    _, findings = await verify(operator, tenant, keys, head)

    assert alone.is_intact
    assert alone.proved_seq is None
    assert findings == [CutTail(9, LENGTH, "pinned head")]


async def test_a_signed_head_in_the_table_gives_a_rewritten_chain_away(
    audit: Audit, operator: Database, tenant: UUID, keys: dict[str, bytes], intruder: "asyncpg.Connection[Record]"
) -> None:
    """Whoever may write everywhere still has no key to sign with."""
    await sign_due_heads(audit.deps)
    await intruder.execute("UPDATE audit.heads SET signed_hash = $2 WHERE tenant_id = $1", tenant, bytes(32))

    _, findings = await verify(operator, tenant, keys)

    assert findings == [ForgedHead(LENGTH, "signed head"), Rewritten(LENGTH, "signed head")]


async def test_the_operator_may_read_but_not_change(operator: Database, tenant: UUID) -> None:
    """Who verifies must not be able to repair."""
    for statement in ("UPDATE audit.heads SET seq = seq", "DELETE FROM audit.entries", "DELETE FROM audit.payloads"):
        with pytest.raises(Exception, match="permission denied"):
            async with operator.transaction([tenant]) as conn:
                await conn.execute(statement)
