"""Which heads are signed by the clock: the statement that the duty asks, at each edge of its rule."""

import datetime as dt
from typing import NamedTuple

from services.audit.domain.heads import SIGN_AFTER, SIGN_AFTER_ENTRIES
from services.audit.queries.heads import lock_due_heads
from shared.ids import new_id
from tests.handlers.audit.conftest import Audit

SECOND = dt.timedelta(seconds=1)


class Chain(NamedTuple):
    """A chain's end, and how far, and how long ago, it was signed."""

    seq: int
    signed_seq: int = 0
    signed_ago: dt.timedelta | None = None


DUE = {
    "new": Chain(1),
    "after an hour": Chain(12, 10, SIGN_AFTER),
    "full within the hour": Chain(10 + SIGN_AFTER_ENTRIES, 10, SECOND),
}
NOT_DUE = {
    "empty": Chain(0),
    "within the hour": Chain(12, 10, SIGN_AFTER - SECOND),
    "nothing but the entry of the last signature": Chain(11, 10, 9 * SIGN_AFTER),
    "one entry less than full": Chain(9 + SIGN_AFTER_ENTRIES, 10, SECOND),
}


async def test_a_head_is_signed_every_hour_or_thousand_entries_but_not_for_its_own_entry(audit: Audit) -> None:
    """Signing for the entry that the last signature made would go on for ever, in every quiet tenant."""
    chains = DUE | NOT_DUE
    names = {new_id(): name for name in chains}
    async with audit.database.transaction(work_queues=True) as conn:
        await conn.executemany(
            """
            INSERT INTO audit.heads (tenant_id, seq, signed_seq, signed_at, signed_hash, signature, key_id)
            VALUES ($1, $2, $3, now() - $4::interval, $5, $6, $7)
            """,
            [(tenant_id, *chains[name], *_signature(chains[name])) for tenant_id, name in names.items()],
        )
        found = await lock_due_heads(conn, limit=1_000)
    assert {names[each.head.tenant_id] for each in found if each.head.tenant_id in names} == set(DUE)


def _signature(chain: Chain) -> tuple[bytes | None, bytes | None, str | None]:
    """Hash, signature and key, which are there as soon as anything was signed."""
    return (bytes(32), bytes(64), "k1") if chain.signed_seq else (None, None, None)
