"""What happened to webhook endpoints."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import EndpointId


class WebhookEndpointEvent(Event):
    """What all events of a webhook endpoint say. What became of a single delivery is none: it would set off others."""

    endpoint_id: EndpointId


class WebhookEndpointCreated(WebhookEndpointEvent):
    type = "webhook_endpoint.created"


class WebhookEndpointChanged(WebhookEndpointEvent):
    type = "webhook_endpoint.changed"

    changed: tuple[str, ...]


class WebhookEndpointDisabled(WebhookEndpointEvent):
    """It said that it is gone, or failed for 24 hours: nothing is sent to it until it is enabled again."""

    type = "webhook_endpoint.disabled"

    reason: str


class WebhookEndpointDeleted(WebhookEndpointEvent):
    type = "webhook_endpoint.deleted"


class WebhookEndpointTested(WebhookEndpointEvent):
    """Somebody asked for a trial; this is what the endpoint gets."""

    type = "webhook_endpoint.tested"


class WebhookSecretRotated(WebhookEndpointEvent):
    type = "webhook_endpoint.secret_rotated"

    previous_until: dt.datetime
