"""What a sandbox tenant's people were sent, for its developers to read."""

import json

from services.notifier.deps import Deps
from services.notifier.queries.sandbox import SandboxRow, sandbox_messages
from services.notifier.queries.tenants import find_tenant
from shared.contracts.commands import ReadSandboxMessages
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode, SandboxMessage, SandboxMessages
from shared.crypto.sealing import open_bytes, sandbox_place
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def read_messages(request: Envelope[ReadSandboxMessages], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A page of messages, codes in clear; refused for a live tenant, which has none."""
    asked = request.data
    tenant = await find_tenant(uow.conn, request.tenant_id)
    if tenant is None or not tenant.is_sandbox:
        return refuse(RefusalCode.NOT_A_SANDBOX)
    rows = await sandbox_messages(
        uow.conn, request.tenant_id, account_id=asked.account_id, after=asked.after, limit=asked.limit + 1
    )
    messages = tuple(_opened(row, deps) for row in rows[: asked.limit])
    return Ok(SandboxMessages(messages=messages, has_more=len(rows) > asked.limit))


def _opened(row: SandboxRow, deps: Deps) -> SandboxMessage:
    place = sandbox_place(row.tenant_id, row.account_id, row.delivery_id)
    content = json.loads(open_bytes(deps.seal, row.content, place))
    return SandboxMessage.model_validate(
        {
            "id": row.delivery_id,
            "account_id": row.account_id,
            "channel": row.channel,
            "notification": row.notification,
            "sent_at": row.sent_at,
            **content,
        }
    )
