"""Answers about webhook endpoints and deliveries."""

import datetime as dt

from shared.contracts.types import EndpointId, Value, WebhookDeliveryId, WebhookState


class WebhookEndpointView(Value):
    """A webhook endpoint, without its secret."""

    id: EndpointId
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    disabled_at: dt.datetime | None = None
    disabled_reason: str | None = None  # `requested`, `gone`, `failing`
    failing_since: dt.datetime | None = None  # nothing got through since
    missed: int = 0  # events left out because too many were waiting; the feed has them
    previous_secret_until: dt.datetime | None = None
    created_at: dt.datetime


class NewWebhookEndpoint(WebhookEndpointView):
    """A webhook endpoint and its new secret, which is shown this once."""

    secret: str


class WebhookEndpoints(Value):
    """Endpoints in the order in which they were made."""

    endpoints: tuple[WebhookEndpointView, ...]


class DeletedWebhookEndpoint(Value):
    """The endpoint that is no more."""

    id: EndpointId


class WebhookDeliveryView(Value):
    """One event on its way to one endpoint. `event_id` travels as `webhook-id`."""

    id: WebhookDeliveryId
    endpoint_id: EndpointId
    event_id: str
    event_type: str
    state: WebhookState
    attempts: int
    status: int | None = None  # HTTP, of the last answer
    reason: str | None = None  # why the last attempt failed, or why there will be no other
    queued_at: dt.datetime
    next_attempt_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None


class WebhookDeliveries(Value):
    """A page of deliveries, newest first."""

    deliveries: tuple[WebhookDeliveryView, ...]
    has_more: bool
