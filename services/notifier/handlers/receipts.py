"""A provider's later report on what it accepted."""

import json
import re
from collections.abc import Mapping

from services.notifier import announcements
from services.notifier.adapters.twilio_receipts import is_genuine
from services.notifier.deps import Deps
from services.notifier.queries.outcomes import record_receipt as store_receipt
from services.notifier.queries.tenants import find_tenant
from shared.contracts.commands import RecordReceipt
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ReceiptAnswer, RefusalCode
from shared.contracts.types import DeliveryState
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import BrokenSeal, open_bytes, typed_place
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_STATES = {
    "delivered": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERABLE,
    "failed": DeliveryState.UNDELIVERABLE,
}
"""Twilio's words that end a delivery; its others (queued, sending, sent) say nothing new."""

_ERROR_CODE = re.compile(r"[0-9]{1,8}")


async def record_receipt(request: Envelope[RecordReceipt], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Take in a report whose signature shows that it comes from the provider of this tenant's world."""
    receipt, report = request.data, _opened(request, deps.seal)
    tenant = await find_tenant(uow.conn, request.tenant_id)
    token = deps.senders(is_sandbox=tenant.is_sandbox).sms_token if tenant else None
    if tenant is None or token is None or not is_genuine(receipt.url, report, receipt.signature, token):
        return refuse(RefusalCode.SIGNATURE_WRONG)
    state = _STATES.get(report.get("MessageStatus", ""))
    if state is None:
        return Ok(ReceiptAnswer(is_new=False))
    found = await store_receipt(uow.conn, request.tenant_id, receipt.delivery_id, state=state)
    if found is None:
        return Ok(ReceiptAnswer(is_new=False))
    if state is DeliveryState.DELIVERED:
        uow.publish(announcements.delivered(found, tenant.now))
    else:
        code = report.get("ErrorCode", "")
        reason = code if _ERROR_CODE.fullmatch(code) else state.value  # a sandbox's receipts can be signed by anybody
        uow.publish(announcements.undeliverable(found, reason, tenant.now))
    return Ok(ReceiptAnswer(is_new=True))


def _opened(request: Envelope[RecordReceipt], ring: KeyRing) -> Mapping[str, str]:
    """The fields of the report; none, which no signature fits, when they were sealed for another place."""
    place = typed_place(request.tenant_id, str(request.data.delivery_id), "receipt")
    try:
        report: dict[str, str] = json.loads(open_bytes(ring, request.data.params, place))
    except BrokenSeal:
        return {}
    return report
