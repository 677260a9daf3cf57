"""Which message goes to which handler."""

from services.notifier.deps import Deps
from services.notifier.handlers import deliveries, receipts, sandbox
from shared.contracts import commands
from shared.messaging.handler_table import HandlerTable, on, on_list
from shared.messaging.topology import NOTIFIER_EMAIL, NOTIFIER_REQUESTS, NOTIFIER_SMS

TABLE = HandlerTable[Deps](
    on_list(NOTIFIER_EMAIL, commands.SendEmail, deliveries.queue),
    on_list(NOTIFIER_SMS, commands.SendSms, deliveries.queue),
    on(NOTIFIER_REQUESTS, commands.RecordReceipt, receipts.record_receipt),
    on(NOTIFIER_REQUESTS, commands.ReadDeliveries, deliveries.read_deliveries),
    on(NOTIFIER_REQUESTS, commands.ReadSandboxMessages, sandbox.read_messages),
)
