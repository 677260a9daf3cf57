"""A provider's later report on what it accepted."""

from services.notifier import announcements
from services.notifier.adapters.twilio_receipts import is_genuine
from services.notifier.deps import Deps
from services.notifier.queries.outcomes import record_receipt as store_receipt
from services.notifier.queries.tenants import find_tenant
from shared.contracts.commands import RecordReceipt
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ReceiptAnswer, RefusalCode
from shared.contracts.types import DeliveryState
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_STATES = {
    "delivered": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERABLE,
    "failed": DeliveryState.UNDELIVERABLE,
}
"""Twilio's words that end a delivery; its others (queued, sending, sent) say nothing new."""

_LONGEST_CODE = 16  # characters; Twilio's have five digits


async def record_receipt(request: Envelope[RecordReceipt], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Take in a report whose signature shows that it comes from the provider of this tenant's world."""
    receipt = request.data
    tenant = await find_tenant(uow.conn, request.tenant_id)
    token = deps.senders(is_sandbox=tenant.is_sandbox).sms_token if tenant else None
    if tenant is None or token is None or not is_genuine(receipt.url, receipt.params, receipt.signature, token):
        return refuse(RefusalCode.SIGNATURE_WRONG)
    state = _STATES.get(receipt.params.get("MessageStatus", ""))
    if state is None:
        return Ok(ReceiptAnswer(is_new=False))
    found = await store_receipt(uow.conn, request.tenant_id, receipt.delivery_id, state=state)
    if found is None:
        return Ok(ReceiptAnswer(is_new=False))
    if state is DeliveryState.DELIVERED:
        uow.publish(announcements.delivered(found, tenant.now))
    else:
        reason = receipt.params.get("ErrorCode", "")[:_LONGEST_CODE] or state.value
        uow.publish(announcements.undeliverable(found, reason, tenant.now))
    return Ok(ReceiptAnswer(is_new=True))
