"""The AsyncAPI 3.0 document: what a helpdesk tells us and hears from us as events, and over which carriers.

Made of the contracts, of the bodies that ingress takes, and of the table of what stands on the broker: there is nothing
to keep in step. Spoken from Deskfactor's side, as AsyncAPI 3 wants: it *receives* what a helpdesk publishes.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from services.gateway.api.event_bodies import KINDS
from services.gateway.api.event_carriers import channels, operations, servers, username
from services.gateway.api.event_examples import worked
from services.gateway.api.examples import example
from services.gateway.api.explained import sentence
from services.gateway.api.openapi import document_version
from services.gateway.settings import GatewaySettings
from shared.contracts.codec import CONTENT_TYPE, EVENTS, CloudEvent
from shared.messaging.rabbitmq import names

Json = dict[str, Any]

_SCHEMA = "#/components/schemas/{model}"
_HELPDESKS = "Helpdesk{model}"  # some events of a helpdesk are called like ours that come of them

DESCRIPTION = (
    "Events of the second factor of a helpdesk's logins: what the helpdesk hands in, and what comes out. All are "
    "CloudEvents 1.0 in structured mode, JSON, one a message; binary mode is not read. The same events travel over "
    "RabbitMQ, where a tenant has a name and password of its own, over HTTP (`POST /v1/events` and the feed "
    "`GET /v1/events`), and out to webhooks. An event may come twice, with the same `id`, and out of order. New "
    "members and new types may come: ignore what you do not know. No event holds a code, a seed or a full address. "
    "Codes, verification and the calls of admins are not here: see `/docs`."
)


def event_document(settings: GatewaySettings) -> Json:
    """The whole document."""
    outgoing, definitions = _outgoing()
    incoming, given = _incoming()
    messages = outgoing | incoming
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Deskfactor events",
            "version": document_version(),
            "description": DESCRIPTION,
            "externalDocs": {"url": f"{settings.public_url}/docs", "description": "The HTTP API"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": servers(settings),
        "channels": channels(outgoing, incoming),
        "operations": operations(outgoing, incoming),
        "components": {
            "schemas": definitions | given | {"Headers": _headers()},
            "messages": messages,
            "correlationIds": {
                "request": {
                    "description": "One for all that one request set off; `causationid` is the message before.",
                    "location": "$message.payload#/correlationid",
                },
                "own": {
                    "description": "The event's own id: `causationid` and `correlationid` of what comes of it, where "
                    'it is a UUID, else `uuid5(tenant id, "<source> <id>")`.',
                    "location": "$message.payload#/id",
                },
            },
            "securitySchemes": {
                "broker": {
                    "type": "userPassword",
                    "description": f"`{username()}`, and the password that `deskfactor tenants broker-user` showed.",
                },
                "api_key": {"type": "http", "scheme": "bearer", "bearerFormat": "df_live_… | df_test_…"},
            },
        },
    }


def _outgoing() -> tuple[Json, Json]:
    """Messages by type, and the schemas that they name."""
    wanted = [(model, "validation") for model in (*EVENTS.values(), CloudEvent)]
    found, made = models_json_schema(wanted, ref_template=_SCHEMA)  # type: ignore[arg-type]
    definitions: Json = {name: _growing(schema) for name, schema in made["$defs"].items()}
    messages = {}
    for kind, model in sorted(EVENTS.items()):
        data = found[model, "validation"]
        shown = worked(kind, data, definitions)
        words = sentence(kind, shown["data"])
        schema = _SCHEMA.format(model=f"{model.__name__}Event")
        messages[kind] = _message(kind, "request", schema, vars(model).get("__doc__") or words, shown) | {
            "headers": {"$ref": _SCHEMA.format(model="Headers")}
        }
        messages[kind]["examples"][0]["summary"] = words
        definitions[f"{model.__name__}Event"] = {
            "allOf": [
                {"$ref": _SCHEMA.format(model=CloudEvent.__name__)},
                {"type": "object", "properties": {"type": {"const": kind}, "data": data}},
            ]
        }
    return messages, definitions


def _growing(schema: Json) -> Json:
    """A schema of what comes out: we promise members, not that there will never be more."""
    return {name: value for name, value in schema.items() if name != "additionalProperties" or value is not False}


def _incoming() -> tuple[Json, Json]:
    """Messages of the helpdesk; here a member that we do not know is refused."""
    plain, prefixed = (_schemas_of_helpdesk(template) for template in ("{model}", _HELPDESKS))
    messages = {
        f"helpdesk.{kind}": _message(
            kind,
            "own",
            _SCHEMA.format(model=_HELPDESKS.format(model=model.__name__)),
            model.__doc__ or "",
            example({"$ref": _SCHEMA.format(model=model.__name__)}, plain),
        )
        for kind, model in KINDS.items()
    }
    return messages, {_HELPDESKS.format(model=name): schema for name, schema in prefixed.items()}


def _schemas_of_helpdesk(template: str) -> Json:
    wanted = [(model, "validation") for model in KINDS.values()]
    _, made = models_json_schema(wanted, ref_template=_SCHEMA.format(model=template))  # type: ignore[arg-type]
    definitions: Json = made["$defs"]
    return definitions


def _message(kind: str, correlation: str, schema: str, summary: str, shown: object) -> Json:
    return {
        "name": kind,
        "title": kind,
        "summary": summary,
        "contentType": CONTENT_TYPE,
        "correlationId": {"$ref": f"#/components/correlationIds/{correlation}"},
        "payload": {"$ref": schema},
        "examples": [{"name": kind, "payload": shown}],
    }


def _headers() -> Json:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Beside an event. Each carrier has its own.",
        "properties": {
            "webhook-id": text | {"description": "Webhooks: the event's id (Standard Webhooks)."},
            "webhook-timestamp": text | {"description": "Webhooks: when it was sent, seconds since 1970."},
            "webhook-signature": text
            | {
                "description": "Webhooks: `v1,` and an HMAC-SHA-256 of `id.timestamp.body`; two while a secret changes."
            },
            names.TENANT: text | {"description": "AMQP: the tenant's id."},
        },
    }
