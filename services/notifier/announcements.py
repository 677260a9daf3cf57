"""What became of a delivery, as events: of a code, of any other notification. And of webhook endpoints."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from services.notifier.queries.deliveries import Delivery
from services.notifier.queries.webhook_deliveries import Webhook
from shared.contracts import events
from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.notifications import Notification
from shared.contracts.types import SYSTEM, EndpointId
from shared.ids import new_id

SOURCE = "/notifier"


def sent(delivery: Delivery, at: dt.datetime) -> Envelope[Event]:
    """The provider has it."""
    if _is_code(delivery):
        return _said(delivery, events.CodeSent.model_validate(_code(delivery)), at)
    return _said(delivery, events.NotificationSent.model_validate(_notification(delivery)), at)


def delivered(delivery: Delivery, at: dt.datetime) -> Envelope[Event]:
    """The provider says that it arrived."""
    if _is_code(delivery):
        return _said(delivery, events.CodeDelivered.model_validate(_code(delivery)), at)
    return _said(delivery, events.NotificationDelivered.model_validate(_notification(delivery)), at)


def undeliverable(delivery: Delivery, reason: str, at: dt.datetime) -> Envelope[Event]:
    """It will not arrive, or nobody will ever know."""
    if _is_code(delivery):
        return _said(delivery, events.CodeUndeliverable.model_validate(_code(delivery) | {"reason": reason}), at)
    content = _notification(delivery) | {"reason": reason}
    return _said(delivery, events.NotificationUndeliverable.model_validate(content), at)


def expired(delivery: Delivery, at: dt.datetime) -> Envelope[Event]:
    """Its time was over before it could be sent."""
    if _is_code(delivery):
        return _said(delivery, events.CodeExpired.model_validate(_code(delivery)), at)
    return _said(delivery, events.NotificationExpired.model_validate(_notification(delivery)), at)


def notice_disputed(
    delivery: Delivery, happened_at: dt.datetime | None, at: dt.datetime, *, is_repeated: bool
) -> Envelope[Event]:
    """The person says that it was somebody else."""
    event = events.NoticeDisputed.model_validate(
        {name: value for name, value in _notification(delivery).items() if name != "destination"}
        | {"happened_at": happened_at, "said_at": delivery.said_at, "is_repeated": is_repeated}
    )
    # by nobody who signed in: whoever holds the link
    return dataclasses.replace(_said(delivery, event, at), actor=SYSTEM)


def _is_code(delivery: Delivery) -> bool:
    return delivery.notification == Notification.CODE


def _code(delivery: Delivery) -> dict[str, object]:
    return {
        "delivery_id": delivery.delivery_id,
        "channel": delivery.channel,
        "destination": delivery.masked,
        "challenge_id": delivery.challenge_id,
        "factor_id": delivery.factor_id,
    }


def _notification(delivery: Delivery) -> dict[str, object]:
    return {
        "delivery_id": delivery.delivery_id,
        "notification": delivery.notification,
        "channel": delivery.channel,
        "destination": delivery.masked,
        "recovery_id": delivery.recovery_id,
    }


def _said(delivery: Delivery, event: Event, at: dt.datetime) -> Envelope[Event]:
    return Envelope(
        id=new_id(),
        data=event,
        tenant_id=delivery.tenant_id,
        account_id=delivery.account_id or None,
        actor=delivery.actor,
        source=SOURCE,
        time=at,
        correlation_id=delivery.correlation_id,
        causation_id=delivery.command_id,
    )


def endpoint_created(request: Envelope[Request], endpoint_id: EndpointId, at: dt.datetime) -> Envelope[Event]:
    """There is a new endpoint."""
    return request.follow(events.WebhookEndpointCreated(endpoint_id=endpoint_id), source=SOURCE, at=at)


def endpoint_changed(
    request: Envelope[Request], endpoint_id: EndpointId, changed: Sequence[str], at: dt.datetime
) -> Envelope[Event]:
    """An endpoint is another one now."""
    event = events.WebhookEndpointChanged(endpoint_id=endpoint_id, changed=tuple(changed))
    return request.follow(event, source=SOURCE, at=at)


def endpoint_deleted(request: Envelope[Request], endpoint_id: EndpointId, at: dt.datetime) -> Envelope[Event]:
    """An endpoint is no more."""
    return request.follow(events.WebhookEndpointDeleted(endpoint_id=endpoint_id), source=SOURCE, at=at)


def endpoint_tested(request: Envelope[Request], endpoint_id: EndpointId, at: dt.datetime) -> Envelope[Event]:
    """A trial was asked for; it is what the endpoint gets."""
    return request.follow(events.WebhookEndpointTested(endpoint_id=endpoint_id), source=SOURCE, at=at)


def secret_rotated(
    request: Envelope[Request], endpoint_id: EndpointId, previous_until: dt.datetime, at: dt.datetime
) -> Envelope[Event]:
    """An endpoint has a new secret."""
    event = events.WebhookSecretRotated(endpoint_id=endpoint_id, previous_until=previous_until)
    return request.follow(event, source=SOURCE, at=at)


def endpoint_disabled(webhook: Webhook, reason: str, at: dt.datetime) -> Envelope[Event]:
    """Nothing is sent to an endpoint any more; caused by the event that it did not take."""
    envelope = begin(
        events.WebhookEndpointDisabled(endpoint_id=EndpointId(webhook.endpoint_id), reason=reason),
        tenant_id=webhook.tenant_id,
        account_id=None,
        actor=SYSTEM,
        source=SOURCE,
        at=at,
    )
    return dataclasses.replace(envelope, causation_id=webhook.event_id)
