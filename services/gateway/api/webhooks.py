"""Webhook endpoints, and what was sent to them. The notifier decides; the address is sealed to it."""

from typing import Any
from uuid import UUID

from services.gateway.api.auth import KeyScope
from services.gateway.api.bodies import Empty
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page, position_of
from services.gateway.api.fields import ByProvenAdminAlone
from services.gateway.api.webhook_bodies import WebhookChangeBody, WebhookDeliveriesQuery, WebhookEndpointBody
from services.gateway.problems import HttpCode, Problem, invalid
from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    ReadWebhookDeliveries,
    ReadWebhookEndpoints,
    RedeliverWebhook,
    RotateWebhookSecret,
    TryWebhookEndpoint,
)
from shared.contracts.replies import WebhookDeliveries
from shared.contracts.types import EndpointId, WebhookDeliveryId
from shared.ids import new_id

_DEAF = Problem(code=HttpCode.FORBIDDEN_SCOPE, detail="Where events go is decided with the scope `audit:read`, too.")


async def create(call: Call[WebhookEndpointBody, Nothing]) -> Outcome:
    """Make an endpoint. `secret` is shown this once; it checks the signatures (Standard Webhooks).

    The key needs the scope `audit:read` as well: an endpoint hears what the feed says.
    """
    if not call.caller.may(KeyScope.AUDIT_READ):
        return _DEAF
    endpoint_id = EndpointId(new_id())
    return await call.ask(
        CreateWebhookEndpoint(
            endpoint_id=endpoint_id,
            url=call.seal_webhook_url(endpoint_id, call.body.url),
            description=call.body.description,
            events=call.body.events,
            acting=call.body.acting(),
        ),
        actor=call.body.actor,
    )


async def list_all(call: Call[Nothing, Nothing]) -> Outcome:
    """All of them, the disabled ones, too."""
    said = await call.ask(ReadWebhookEndpoints())
    return Said(page(said.data["endpoints"])) if isinstance(said, Said) else said


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """How an endpoint stands: whether it is enabled, since when nothing gets through."""
    return await call.ask(ReadWebhookEndpoints(endpoint_id=_endpoint(call)))


async def change(call: Call[WebhookChangeBody, Nothing]) -> Outcome:
    """Another address, description or filter; off, or on again.

    Another address or filter needs the scope `audit:read` as well.
    """
    if (call.body.url or call.body.events) and not call.caller.may(KeyScope.AUDIT_READ):
        return _DEAF
    endpoint_id = _endpoint(call)
    return await call.ask(
        ChangeWebhookEndpoint(
            endpoint_id=endpoint_id,
            url=call.seal_webhook_url(endpoint_id, call.body.url) if call.body.url is not None else None,
            description=call.body.description,
            events=call.body.events,
            enabled=call.body.enabled,
            acting=call.body.acting(),
        ),
        actor=call.body.actor,
    )


async def delete(call: Call[Nothing, ByProvenAdminAlone]) -> Outcome:
    """Forget an endpoint and its secret. What waits for it is not sent."""
    command = DeleteWebhookEndpoint(endpoint_id=_endpoint(call), acting=call.query.acting())
    return await call.ask(command, actor=call.query.actor)


async def test(call: Call[Empty, Nothing]) -> Outcome:
    """Send a `webhook_endpoint.tested` to it, whatever its filter says."""
    return await call.ask(TryWebhookEndpoint(endpoint_id=_endpoint(call)))


async def rotate_secret(call: Call[ByProvenAdminAlone, Nothing]) -> Outcome:
    """A new `secret`, shown this once. For 24 hours every delivery carries a signature of each of the two."""
    command = RotateWebhookSecret(endpoint_id=_endpoint(call), acting=call.body.acting())
    return await call.ask(command, actor=call.body.actor)


async def deliveries(call: Call[Nothing, WebhookDeliveriesQuery]) -> Outcome:
    """What was sent to an endpoint, how often it was tried, and what came back."""
    before = _position(call.query.cursor)
    if isinstance(before, Problem):
        return before
    said = await call.ask(
        ReadWebhookDeliveries(
            endpoint_id=_endpoint(call), state=call.query.state, before=before, limit=call.query.limit
        )
    )
    if isinstance(said, Problem):
        return said
    found = WebhookDeliveries.model_validate(dict(said.data)).deliveries
    last = found[-1].id if found else None
    return Said(page(said.data["deliveries"], has_more=bool(said.data["has_more"]), last=last))


async def redeliver(call: Call[Empty, Nothing]) -> Outcome:
    """Send an event once more, under the same `webhook-id`."""
    return await call.ask(RedeliverWebhook(delivery_id=WebhookDeliveryId(call.id("delivery_id"))))


def _endpoint(call: Call[Any, Any]) -> EndpointId:
    return EndpointId(call.id("endpoint_id"))


def _position(cursor: str | None) -> WebhookDeliveryId | Problem | None:
    if cursor is None:
        return None
    try:
        return WebhookDeliveryId(UUID(position_of(cursor) or ""))
    except ValueError:
        return invalid("/cursor", "cursor", "Not a cursor of this list.")
