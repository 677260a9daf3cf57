"""Webhook endpoints and deliveries, to notifier."""

from shared.contracts.commands.request import Request
from shared.contracts.types import Acting, EndpointId, Sealed, WebhookDeliveryId, WebhookState

_NOTIFIER_REQUESTS = "notifier.requests"


class CreateWebhookEndpoint(Request):
    """Send events to an address. Answer: `NewWebhookEndpoint`.

    `url` is sealed at ``webhook_place(tenant, endpoint id, "url")``: what stands in it may be a password. `events` are
    types, ``noun.*`` or ``*``.
    """

    type = "create_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    url: Sealed
    description: str = ""
    events: tuple[str, ...] = ("*",)
    acting: Acting | None = None


class ReadWebhookEndpoints(Request):
    """All endpoints of the tenant, or one. Answer: `WebhookEndpoints`."""

    type = "read_webhook_endpoints"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId | None = None


class ChangeWebhookEndpoint(Request):
    """Change what is not None; `enabled` on again forgets why it went off. Answer: `WebhookEndpointView`."""

    type = "change_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    url: Sealed | None = None
    description: str | None = None
    events: tuple[str, ...] | None = None
    enabled: bool | None = None
    acting: Acting | None = None


class DeleteWebhookEndpoint(Request):
    """Forget an endpoint and its secret; what waits for it is not sent. Answer: `DeletedWebhookEndpoint`."""

    type = "delete_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    acting: Acting | None = None


class TryWebhookEndpoint(Request):
    """Send a `webhook_endpoint.tested`, whatever the endpoint's filter says. Answer: `WebhookDeliveryView`."""

    type = "try_webhook_endpoint"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId


class RotateWebhookSecret(Request):
    """A new secret; the one before signs as well for 24 hours. Answer: `NewWebhookEndpoint`."""

    type = "rotate_webhook_secret"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    acting: Acting | None = None


class ReadWebhookDeliveries(Request):
    """A page of what was sent to an endpoint, newest first. Answer: `WebhookDeliveries`."""

    type = "read_webhook_deliveries"
    lane = _NOTIFIER_REQUESTS

    endpoint_id: EndpointId
    state: WebhookState | None = None
    before: WebhookDeliveryId | None = None
    limit: int = 50


class RedeliverWebhook(Request):
    """Send once more, with the same `webhook-id` and a new schedule. Answer: `WebhookDeliveryView`."""

    type = "redeliver_webhook"
    lane = _NOTIFIER_REQUESTS

    delivery_id: WebhookDeliveryId
