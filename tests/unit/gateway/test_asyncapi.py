"""The AsyncAPI document says which events there are and what carries them, all of it and nothing else."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from pydantic import SecretStr
from pydantic.json_schema import models_json_schema

from services.gateway.api.asyncapi import event_document
from services.gateway.api.event_bodies import KINDS
from services.gateway.settings import GatewaySettings
from shared.contracts.codec import EVENTS, decode
from shared.messaging.rabbitmq import parts
from tests.contracts import goldens
from tests.contracts.examples import TENANT

SETTINGS = GatewaySettings(
    database_url=SecretStr("postgresql://nowhere/"), key_dir=Path("/nowhere"), public_url="https://2fa.acme.example/x"
)
DOCUMENT = event_document(SETTINGS)
MESSAGES = DOCUMENT["components"]["messages"]

# Members of each object of the specification (AsyncAPI 3.0.0) that we use: those that must be there, those that may.
_MEMBERS: Mapping[str, tuple[set[str], set[str]]] = {
    "document": (
        {"asyncapi", "info"},
        {"id", "servers", "defaultContentType", "channels", "operations", "components"},
    ),
    "info": (
        {"title", "version"},
        {"description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    ),
    "components": (
        set(),
        {"schemas", "servers", "channels", "operations", "messages", "securitySchemes", "correlationIds"},
    ),
    "server": (
        {"host", "protocol"},
        {"protocolVersion", "pathname", "description", "title", "summary", "variables", "security", "bindings"},
    ),
    "channel": (
        set(),
        {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "bindings"},
    ),
    "operation": (
        {"action", "channel"},
        {"title", "summary", "description", "security", "tags", "bindings", "messages", "reply"},
    ),
    "message": (
        set(),
        {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "examples"},
    ),
    "example": ({"payload"}, {"headers", "name", "summary"}),
    "correlation id": ({"location"}, {"description"}),
    "security scheme": ({"type"}, {"description", "scheme", "bearerFormat", "name", "in"}),
    "variable": (set(), {"enum", "default", "description", "examples"}),
    "parameter": (set(), {"enum", "default", "description", "examples", "location"}),
}
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def objects() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, name and members of every object of the document."""
    yield "document", "", DOCUMENT
    yield "info", "info", DOCUMENT["info"]
    components = DOCUMENT["components"]
    yield "components", "components", components
    for kind, among in (
        ("server", DOCUMENT["servers"]),
        ("channel", DOCUMENT["channels"]),
        ("operation", DOCUMENT["operations"]),
        ("message", MESSAGES),
        ("correlation id", components["correlationIds"]),
        ("security scheme", components["securitySchemes"]),
    ):
        yield from ((kind, name, each) for name, each in among.items())
    for name, server in DOCUMENT["servers"].items():
        yield from (("variable", f"{name} {variable}", each) for variable, each in server.get("variables", {}).items())
    for name, channel in DOCUMENT["channels"].items():
        yield from (("parameter", f"{name} {part}", each) for part, each in channel.get("parameters", {}).items())
    for name, message in MESSAGES.items():
        yield from (("example", name, each) for each in message["examples"])


def references(node: object) -> Iterator[str]:
    """Every `$ref` in it; what is shown as an example is no part of the document."""
    match node:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for name, each in node.items():
                if name != "examples":
                    yield from references(each)
        case list():
            for each in node:
                yield from references(each)
        case _:
            pass


def resolved(reference: str) -> object:
    """What a reference leads to. `KeyError`: nowhere."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def validator(name: str) -> Draft7Validator:
    """Of a message's payload; AsyncAPI's schemas are JSON Schema's draft 7."""
    schema = {"allOf": [MESSAGES[name]["payload"]], "components": DOCUMENT["components"]}
    return Draft7Validator(schema, format_checker=FormatChecker())


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    """Generators of clients, and the viewers that people read it in, stumble over anything else."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    for kind, name, members in objects():
        must, may = _MEMBERS[kind]
        assert must <= members.keys() <= must | may, f"{kind} {name}"
        assert not name or _NAME.fullmatch(name.replace(" ", ".")), name


def test_every_reference_leads_somewhere() -> None:
    """A dangling one makes the whole document unreadable to a parser."""
    assert {target for target in references(DOCUMENT) if resolved(target) is None} == set()


def test_what_addresses_and_hosts_leave_open_is_explained() -> None:
    """A place in braces without a word about it is a riddle."""
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"] or "")) == channel.get("parameters", {}).keys()
    for server in DOCUMENT["servers"].values():
        assert set(re.findall(r"{(\w+)}", server["host"])) == server.get("variables", {}).keys()


def test_an_operation_carries_messages_of_its_channel() -> None:
    """AsyncAPI wants a subset; and here no channel has a message that nobody sends or takes on it."""
    carried: dict[str, set[str]] = {}
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        names = {each["$ref"] for each in operation["messages"]}
        assert names <= {f"{channel}/messages/{name}" for name in resolved(channel)["messages"]}  # type: ignore[index]
        carried.setdefault(channel.rpartition("/")[2], set()).update(name.rpartition("/")[2] for name in names)
    assert carried == {name: set(channel["messages"]) for name, channel in DOCUMENT["channels"].items()}


def test_every_event_that_comes_out_is_there_and_no_other() -> None:
    """An event that is not described is found by accident; one that nobody says is waited for in vain."""
    for channel in ("out", "webhook"):
        assert set(DOCUMENT["channels"][channel]["messages"]) == set(EVENTS)


def test_every_event_that_a_helpdesk_may_hand_in_is_there_and_no_other() -> None:
    """What is published on a guess is set aside."""
    taken = {MESSAGES[name]["name"] for name in DOCUMENT["channels"]["ingress"]["messages"]}
    assert taken == set(KINDS)
    assert set(DOCUMENT["channels"]["events"]["messages"]) == {*EVENTS, *(f"helpdesk.{kind}" for kind in KINDS)}


def test_a_login_over_the_broker_is_answered_by_its_decision() -> None:
    """Request and reply over two one-way streets: whoever publishes must know what to wait for, and where."""
    login = DOCUMENT["operations"]["take_login"]
    assert [resolved(each["$ref"]) for each in login["messages"]] == [
        {"$ref": "#/components/messages/helpdesk.login.started"}
    ]
    assert login["reply"]["channel"] == {"$ref": "#/channels/out"}
    assert login["reply"]["messages"] == [{"$ref": "#/channels/out/messages/login.decided"}]


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_the_schema_of_an_event_is_that_of_its_contract(kind: str) -> None:
    """Written by hand it would be right once. Only that there will never be another member is not promised."""
    model = EVENTS[kind]
    _, made = models_json_schema([(model, "validation")], ref_template="#/components/schemas/{model}")
    for name, schema in made["$defs"].items():
        shown = DOCUMENT["components"]["schemas"][name]
        assert shown == {key: value for key, value in schema.items() if key != "additionalProperties" or value}
    assert not any("prefixItems" in str(schema) for schema in made["$defs"].values())  # none in draft 7


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_an_event_as_it_was_pinned_fits_its_schema(kind: str) -> None:
    """The golden files are what goes over the wire."""
    golden = goldens.read(kind)
    validator(kind).validate(golden)
    assert golden.keys() <= DOCUMENT["components"]["schemas"]["CloudEvent"]["properties"].keys()
    assert not validator(kind).is_valid(golden | {"type": "no.such"})


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_the_worked_example_of_an_event_is_one(kind: str) -> None:
    """A reader believes the example before the schema."""
    [shown] = MESSAGES[kind]["examples"]
    validator(kind).validate(shown["payload"])
    assert decode(json.dumps(shown["payload"]).encode()).data.type == kind
    assert "?" not in shown["summary"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_worked_example_of_what_a_helpdesk_hands_in_is_taken(kind: str) -> None:
    """It is what an integrator copies first."""
    [shown] = MESSAGES[f"helpdesk.{kind}"]["examples"]
    validator(f"helpdesk.{kind}").validate(shown["payload"])
    assert KINDS[kind].model_validate_json(json.dumps(shown["payload"]), strict=True).subject == "ada"


def test_names_and_bounds_are_those_on_the_broker() -> None:
    """The document is what a tenant's backend is configured by."""
    out, ingress = DOCUMENT["channels"]["out"], DOCUMENT["channels"]["ingress"]
    made = parts.out_part(TENANT)
    assert out["address"].replace("{tenant_id}", str(TENANT)) == made.name
    assert f"{made.arguments['x-max-length']:,} events" in out["description"]
    exchanges = {each.name: each for each in parts.exchange_parts(())}
    assert ingress["bindings"]["amqp"]["exchange"]["type"] == exchanges[ingress["address"]].kind


def test_servers_are_behind_a_password_or_a_key() -> None:
    """And over TLS: keys and passwords travel there."""
    servers = DOCUMENT["servers"]
    assert (servers["api"]["protocol"], servers["api"]["host"], servers["api"]["pathname"]) == (
        "https",
        "2fa.acme.example",
        "/x",
    )
    assert servers["broker"]["protocol"] == "amqps"
    assert [resolved(each["$ref"])["type"] for each in servers["broker"]["security"]] == ["userPassword"]  # type: ignore[index]
    assert [resolved(each["$ref"])["type"] for each in servers["api"]["security"]] == ["http"]  # type: ignore[index]
