"""The calls about webhooks."""

from services.gateway.api import answers, bodies, fields, webhook_bodies, webhooks
from services.gateway.api.auth import KeyScope
from services.gateway.api.refusals import AT_LARGE
from services.gateway.api.route import ProvenBy, Route
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_ENDPOINTS = "/v1/webhook-endpoints"
_ENDPOINT = f"{_ENDPOINTS}/{{endpoint_id}}"
_ALLOWS = (KeyScope.ADMIN,)
_NO_ENDPOINT = (RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND,)

WEBHOOK_ROUTES = (
    Route(
        method="POST",
        path=_ENDPOINTS,
        allows=_ALLOWS,
        handler=webhooks.create,
        summary="Make a webhook endpoint",
        body=webhook_bodies.WebhookEndpointBody,
        answer=replies.NewWebhookEndpoint,
        status=201,
        is_idempotent=True,
        proven_by=ProvenBy.ACTOR,
        refusals=(*AT_LARGE, RefusalCode.WEBHOOK_URL_REFUSED, RefusalCode.TOO_MANY_WEBHOOK_ENDPOINTS),
    ),
    Route(
        method="GET",
        path=_ENDPOINTS,
        allows=_ALLOWS,
        handler=webhooks.list_all,
        summary="List webhook endpoints",
        answer=answers.List[replies.WebhookEndpointView],
    ),
    Route(
        method="GET",
        path=_ENDPOINT,
        allows=_ALLOWS,
        handler=webhooks.get,
        summary="How a webhook endpoint stands",
        answer=replies.WebhookEndpointView,
        refusals=_NO_ENDPOINT,
    ),
    Route(
        method="PATCH",
        path=_ENDPOINT,
        allows=_ALLOWS,
        handler=webhooks.change,
        summary="Change a webhook endpoint, or enable it again",
        body=webhook_bodies.WebhookChangeBody,
        answer=replies.WebhookEndpointView,
        proven_by=ProvenBy.ACTOR,
        refusals=(*AT_LARGE, *_NO_ENDPOINT, RefusalCode.WEBHOOK_URL_REFUSED),
    ),
    Route(
        method="DELETE",
        path=_ENDPOINT,
        allows=_ALLOWS,
        handler=webhooks.delete,
        summary="Delete a webhook endpoint",
        query=fields.ByProvenAdminAlone,
        answer=replies.DeletedWebhookEndpoint,
        proven_by=ProvenBy.ACTOR,
        refusals=(*AT_LARGE, *_NO_ENDPOINT),
    ),
    Route(
        method="POST",
        path=f"{_ENDPOINT}/test",
        allows=_ALLOWS,
        handler=webhooks.test,
        summary="Try a webhook endpoint out",
        body=bodies.Empty,
        answer=replies.WebhookDeliveryView,
        status=202,
        is_idempotent=True,
        refusals=(*_NO_ENDPOINT, RefusalCode.WEBHOOK_ENDPOINT_DISABLED),
    ),
    Route(
        method="POST",
        path=f"{_ENDPOINT}/rotate-secret",
        allows=_ALLOWS,
        handler=webhooks.rotate_secret,
        summary="Give a webhook endpoint a new secret",
        body=fields.ByProvenAdminAlone,
        answer=replies.NewWebhookEndpoint,
        is_idempotent=True,
        proven_by=ProvenBy.ACTOR,
        refusals=(*AT_LARGE, *_NO_ENDPOINT),
    ),
    Route(
        method="GET",
        path=f"{_ENDPOINT}/deliveries",
        allows=_ALLOWS,
        handler=webhooks.deliveries,
        summary="What was sent to a webhook endpoint",
        query=webhook_bodies.WebhookDeliveriesQuery,
        answer=answers.List[replies.WebhookDeliveryView],
        refusals=_NO_ENDPOINT,
    ),
    Route(
        method="POST",
        path="/v1/webhook-deliveries/{delivery_id}/redeliver",
        allows=_ALLOWS,
        handler=webhooks.redeliver,
        summary="Send an event to an endpoint once more",
        body=bodies.Empty,
        answer=replies.WebhookDeliveryView,
        status=202,
        is_idempotent=True,
        refusals=(
            RefusalCode.WEBHOOK_DELIVERY_NOT_FOUND,
            *_NO_ENDPOINT,
            RefusalCode.WEBHOOK_ENDPOINT_DISABLED,
        ),
    ),
)
