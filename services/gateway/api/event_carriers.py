"""What carries events: a tenant's name on the broker, the HTTP API, webhooks; for the AsyncAPI document.

Names and bounds are those that the broker's objects are made with.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from services.gateway.api.event_bodies import MOST_EVENTS
from services.gateway.settings import GatewaySettings
from shared.contracts.events import LoginDecided
from shared.messaging.rabbitmq import names, parts
from shared.messaging.topology import DELIVERY_LIMIT, INGRESS_MOST_BYTES

Json = dict[str, Any]

ANSWERED: Final = "helpdesk.login.started"  # the one event of a helpdesk that an event answers
_BINDING: Final = "0.3.0"
_NOBODY: Final = UUID(int=0)
_INGRESS = (
    "Where a tenant publishes. One event a message, {kib} KiB at most. Whose it is, is taken from the AMQP property "
    "`user_id`, which the broker checks, and from nothing else; the routing key may be any (the type is a good one), "
    "`content_type` and headers are not read. The same `source` and `id` take effect once in seven days. What is no "
    "such event is set aside with its reason. Use publisher confirms."
)
_OUT = (
    "Every event of the tenant, in a queue of its own, declared by us and bounded: {length:,} events, {mib} MiB, "
    "{days} days; then the oldest go, and what was given back {returns} times goes too. Whoever was away longer reads "
    "the feed."
)


def servers(settings: GatewaySettings) -> Json:
    """Where they are; the broker's address is the operator's to say."""
    api = urlsplit(settings.public_url)
    return {
        "broker": {
            "host": "{broker}",
            "protocol": "amqps",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ, where it is the bus; address and virtual host come with the password.",
            "variables": {"broker": {"description": "Host and port, as the operator says them."}},
            "security": [{"$ref": "#/components/securitySchemes/broker"}],
        },
        "api": {
            "host": api.netloc,
            "protocol": api.scheme,
            "pathname": api.path or "/",
            "security": [{"$ref": "#/components/securitySchemes/api_key"}],
        },
        "endpoint": {
            "host": "{endpoint}",
            "protocol": "https",
            "description": "A webhook endpoint of the tenant (`POST /v1/webhook-endpoints`). Events are signed.",
            "variables": {"endpoint": {"description": "Host and path of the endpoint's URL."}},
        },
    }


def channels(outgoing: Mapping[str, Json], incoming: Mapping[str, Json]) -> Json:
    """The exchange, the queue, the two calls at one address, the endpoints; messages by their names."""
    queue = _placed(names.out_queue_of(_NOBODY))
    bounds = {
        "length": parts.OUT_LENGTH,
        "mib": parts.OUT_BYTES // 2**20,
        "days": parts.OUT_TTL.days,
        "returns": DELIVERY_LIMIT,
    }
    return {
        "ingress": {
            "address": names.INGRESS_EXCHANGE,
            "description": _INGRESS.format(kib=INGRESS_MOST_BYTES // 1024),
            "servers": [{"$ref": "#/servers/broker"}],
            "messages": _references(incoming),
            "bindings": {
                "amqp": {
                    "is": "routingKey",
                    "exchange": {"name": names.INGRESS_EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                    "bindingVersion": _BINDING,
                }
            },
        },
        "out": {
            "address": queue,
            "description": _OUT.format(**bounds),
            "servers": [{"$ref": "#/servers/broker"}],
            "parameters": {"tenant_id": {"description": "The tenant's id, a UUID."}},
            "messages": _references(outgoing),
            "bindings": {
                "amqp": {
                    "is": "queue",
                    "queue": {"name": queue, "durable": True, "exclusive": False, "autoDelete": False},
                    "bindingVersion": _BINDING,
                }
            },
        },
        "events": {
            "address": "/v1/events",
            "description": "The same events over HTTP, for whom there is no broker.",
            "servers": [{"$ref": "#/servers/api"}],
            "messages": _references([*incoming, *outgoing]),
        },
        "webhook": {
            "address": None,
            "description": "An endpoint gets the events that its filter names.",
            "servers": [{"$ref": "#/servers/endpoint"}],
            "messages": _references(outgoing),
        },
    }


def operations(outgoing: Mapping[str, Json], incoming: Mapping[str, Json]) -> Json:
    """What Deskfactor does there: it receives what is handed in, and sends what happened."""
    news = [name for name in incoming if name != ANSWERED]
    return {
        "take_news": _operation("receive", "ingress", news, "The helpdesk tells what happened to an account.")
        | {"bindings": _PUBLISHED},
        "take_login": _operation("receive", "ingress", [ANSWERED], "The first factor was right: may this login pass?")
        | {
            "bindings": _PUBLISHED,
            "reply": {
                "channel": {"$ref": "#/channels/out"},
                "messages": [{"$ref": f"#/channels/out/messages/{LoginDecided.type}"}],
            },
        },
        "tell": _operation("send", "out", outgoing, "Everything that happened in the tenant, to its queue.")
        | {"bindings": {"amqp": {"deliveryMode": 2, "ack": True, "bindingVersion": _BINDING}}},
        "take_over_http": _operation("receive", "events", incoming, "The same, over HTTP.")
        | {
            "description": f"One event or an array of at most {MOST_EVENTS}; each is answered by itself.",
            "bindings": _http("POST"),
        },
        "tell_over_http": _operation("send", "events", outgoing, "The feed, oldest first, in pages.")
        | {
            "description": "`?after=` takes the last `sequence` that was read; each event in `data` has its own.",
            "bindings": _http("GET"),
        },
        "post": _operation("send", "webhook", outgoing, "To every endpoint whose filter takes the event.")
        | {
            "description": "Standard Webhooks; tried for 24 hours; any 2xx takes it, 410 ends it.",
            "bindings": _http("POST"),
        },
    }


def username() -> str:
    """Whom a tenant signs in to the broker as."""
    return _placed(names.username_of(_NOBODY))


def _operation(action: str, channel: str, messages: Iterable[str], summary: str) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _http(method: str) -> Json:
    return {"http": {"method": method, "bindingVersion": _BINDING}}


def _references(messages: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _placed(name: str) -> str:
    """A tenant's name for something, with a parameter in the place of its id."""
    return name.replace(str(_NOBODY), "{tenant_id}")


_PUBLISHED: Final[Json] = {"amqp": {"userId": username(), "deliveryMode": 2, "bindingVersion": _BINDING}}
