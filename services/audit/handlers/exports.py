"""The log taken away as a file: that it was, is said before the first entry leaves."""

from services.audit import announcements
from services.audit.deps import Deps
from services.audit.queries.verification import load_head
from shared.contracts.commands import OpenAuditExport
from shared.contracts.envelope import Envelope
from shared.contracts.replies import OpenedAuditExport
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Ok
from shared.messaging.unit_of_work import UnitOfWork


async def open_audit_export(command: Envelope[OpenAuditExport], uow: UnitOfWork, _deps: Deps) -> Ok:
    """Where the file ends: as the log is now, so that the entry about this export is not in it."""
    wanted, tenant_id = command.data, command.tenant_id
    head = await load_head(uow.conn, tenant_id)
    end = (head.tip.seq if head is not None else 0) + 1
    before = end if wanted.before is None else min(wanted.before, end)
    if not wanted.is_look:
        uow.publish(announcements.log_exported(command, before=before, at=await tenant_now(uow.conn, tenant_id)))
    return Ok(OpenedAuditExport(before=before))
