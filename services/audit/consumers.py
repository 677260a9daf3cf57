"""Who handles what."""

from typing import TYPE_CHECKING, cast

from services.audit.deps import Deps
from services.audit.handlers import entries, events, exports, proof
from shared.contracts import commands
from shared.contracts.codec import EVENTS
from shared.messaging.handler_table import HandlerTable, on, on_list
from shared.messaging.topology import AUDIT_EVENTS, AUDIT_REQUESTS

if TYPE_CHECKING:
    from shared.contracts.envelope import Event

TABLE = HandlerTable[Deps](
    *(on_list(AUDIT_EVENTS, cast("type[Event]", event), events.append_events) for event in EVENTS.values()),
    on(AUDIT_REQUESTS, commands.ReadEntries, entries.read_entries),
    on(AUDIT_REQUESTS, commands.OpenAuditExport, exports.open_audit_export),
    on(AUDIT_REQUESTS, commands.ReadProof, proof.read_proof),
)
