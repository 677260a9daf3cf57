"""What became of a delivery, as events. Codes have events of their own; everything else is a notification."""

import datetime as dt

from services.notifier.queries.deliveries import Delivery
from shared.contracts import events
from shared.contracts.envelope import Envelope, Event
from shared.contracts.notifications import Notification
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
