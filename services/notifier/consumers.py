"""Which message goes to which handler."""

from typing import TYPE_CHECKING, cast

from services.notifier.deps import Deps
from services.notifier.handlers import (
    acting,
    deliveries,
    disputes,
    erasure,
    receipts,
    sandbox,
    webhook_deliveries,
    webhook_endpoints,
)
from shared.contracts import commands, events
from shared.contracts.codec import EVENTS
from shared.messaging.handler_table import HandlerTable, on, on_list, sifted
from shared.messaging.topology import (
    NOTIFIER_EMAIL,
    NOTIFIER_EVENTS,
    NOTIFIER_REQUESTS,
    NOTIFIER_SMS,
    NOTIFIER_WEBHOOKS,
)

if TYPE_CHECKING:
    from shared.contracts.envelope import Event

TABLE = HandlerTable[Deps](
    on_list(NOTIFIER_EMAIL, commands.SendEmail, deliveries.queue),
    on_list(NOTIFIER_SMS, commands.SendSms, deliveries.queue),
    on(NOTIFIER_EVENTS, events.AccountErased, erasure.erase_account),
    *(
        sifted(
            webhook_deliveries.somebody_listens,
            on_list(NOTIFIER_WEBHOOKS, cast("type[Event]", event), webhook_deliveries.queue_events),
        )
        for event in EVENTS.values()
    ),
    on(
        NOTIFIER_REQUESTS,
        commands.CreateWebhookEndpoint,
        webhook_endpoints.create_endpoint,
        refuses_again=acting.may_not_hear_again,
    ),
    on(NOTIFIER_REQUESTS, commands.ReadWebhookEndpoints, webhook_endpoints.read_endpoints),
    on(NOTIFIER_REQUESTS, commands.ChangeWebhookEndpoint, webhook_endpoints.change_endpoint),
    on(NOTIFIER_REQUESTS, commands.DeleteWebhookEndpoint, webhook_endpoints.delete_endpoint),
    on(
        NOTIFIER_REQUESTS,
        commands.RotateWebhookSecret,
        webhook_endpoints.rotate_secret,
        refuses_again=acting.may_not_hear_again,
    ),
    on(NOTIFIER_REQUESTS, commands.TryWebhookEndpoint, webhook_deliveries.try_endpoint),
    on(NOTIFIER_REQUESTS, commands.ReadWebhookDeliveries, webhook_deliveries.read_deliveries),
    on(NOTIFIER_REQUESTS, commands.RedeliverWebhook, webhook_deliveries.redeliver),
    on(NOTIFIER_REQUESTS, commands.RecordReceipt, receipts.record_receipt),
    on(NOTIFIER_REQUESTS, commands.ReadNotice, disputes.read_notice),
    on(NOTIFIER_REQUESTS, commands.DisputeNotice, disputes.dispute_notice),
    on(NOTIFIER_REQUESTS, commands.ReadDeliveriesOfAccount, deliveries.read_deliveries_of_account),
    on(NOTIFIER_REQUESTS, commands.ReadDeliveries, deliveries.read_deliveries),
    on(NOTIFIER_REQUESTS, commands.ReadSandboxMessages, sandbox.read_messages),
)
