"""A provider's later report on what it accepted."""

from services.notifier import announcements
from services.notifier.adapters.twilio_receipts import is_genuine
from services.notifier.deps import Deps
from services.notifier.queries import deliveries, sandbox
from shared.contracts.commands import RecordReceipt
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ReceiptAnswer, RefusalCode
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_STATES = {"delivered": "delivered", "undelivered": "undeliverable", "failed": "undeliverable"}
"""Twilio's words that end a delivery; its others (queued, sending, sent) say nothing new."""


async def record_receipt(request: Envelope[RecordReceipt], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Take in a report whose signature shows that it comes from the provider of this tenant's world."""
    receipt = request.data
    is_sandbox = await sandbox.is_sandbox(uow.conn, request.tenant_id)
    token = deps.senders(is_sandbox=is_sandbox).sms_token
    if token is None or not is_genuine(receipt.url, receipt.params, receipt.signature, token):
        return refuse(RefusalCode.SIGNATURE_WRONG)

    state = _STATES.get(receipt.params.get("MessageStatus", ""))
    if state is None:
        return Ok(ReceiptAnswer(is_new=False))
    found = await deliveries.record_receipt(uow.conn, request.tenant_id, receipt.delivery_id, state=state)
    if found is None:
        return Ok(ReceiptAnswer(is_new=False))

    reason = receipt.params.get("ErrorCode", "")[:16] or state
    uow.publish(
        announcements.delivered(found, request.time)
        if state == "delivered"
        else announcements.undeliverable(found, reason, request.time)
    )
    return Ok(ReceiptAnswer(is_new=True))
