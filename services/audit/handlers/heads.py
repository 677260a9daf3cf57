"""Signing heads by the clock."""

from services.audit import announcements
from services.audit.deps import Deps
from services.audit.queries.heads import insert_signing_keys, lock_due_heads, record_signatures
from shared.db.tenant_time import tenants_now
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import outbox_row

BATCH = 100


async def sign_due_heads(deps: Deps) -> bool:
    """Sign the heads whose hour is over and announce them; whether there may be more. Any replica may do it."""
    async with deps.database.transaction(work_queues=True) as conn:
        due = await lock_due_heads(conn, limit=BATCH)
        if not due:
            return False
        signed = [deps.signer.sign(each.head, each.now) for each in due]
        now = await tenants_now(conn, [head.tenant_id for head in signed])
        rows = [outbox_row(announcements.head_signed(head, at=now[head.tenant_id])) for head in signed]
        await insert_signing_keys(conn, deps.signer.public_keys)
        await record_signatures(conn, signed)
        rows = await insert_messages(conn, rows)
    deps.relay.hand_over(rows)
    return len(due) == BATCH
