"""The OpenAPI document says what is served, all of it and nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import validate
from pydantic import BaseModel, SecretStr

from services.gateway.api.answers import ProblemDocument
from services.gateway.api.auth import May
from services.gateway.api.documentation import documentation
from services.gateway.api.openapi import document
from services.gateway.api.parsing import parse_body
from services.gateway.api.routes import ROUTES, listed
from services.gateway.problems import CONTENT_TYPE, KINDS, Problem
from services.gateway.prompt.rendering import Pages
from services.gateway.settings import GatewaySettings

SETTINGS = GatewaySettings(database_url=SecretStr("postgresql://nowhere/"), key_dir=Path("/nowhere"))
DOCUMENT = document(listed(), SETTINGS)
API = {(route.method, route.path) for route in ROUTES}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of everything in the document."""
    return [
        (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi() -> None:
    """Generators of clients stumble over anything else."""
    validate(DOCUMENT)


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    """A call that is not documented is found by accident; one that is not served is a lie."""
    app = web.Application()
    for entry in listed():
        app.router.add_route(entry.method, entry.path, nobody)  # a path that is there twice would raise
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    assert served == {(method, path) for method, path, _ in operations()}


async def nobody(_request: web.Request) -> web.Response:
    """A handler."""
    return web.Response()


def test_operation_ids_are_unique() -> None:
    """Generated clients name their functions after them."""
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_every_call_of_the_api_wants_a_key_and_nothing_else_does() -> None:
    """A route that forgot its authorisation is open to the world."""
    secured = {(method, path) for method, path, operation in operations() if operation["security"]}
    assert secured == API
    assert all(route.allows is not May.ANYONE for route in ROUTES)


def test_posts_that_change_or_send_want_an_idempotency_key() -> None:
    """Events have an id of their own, a preview changes nothing; everything else would be done twice by a retry."""
    without = {route.path for route in ROUTES if route.method == "POST" and not route.is_idempotent}
    assert without == {"/v1/events", "/v1/policy/preview"}
    assert all(route.method == "POST" for route in ROUTES if route.is_idempotent)


def test_every_problem_that_a_route_names_is_documented() -> None:
    """An integrator handles what the document lists."""
    for route in ROUTES:
        responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        for code in route.refusals:
            response = responses[str(KINDS[code].status)]
            assert f"`{code.value}`" in response["description"]
            assert CONTENT_TYPE in response["content"]


def bodies_with_examples() -> list[tuple[type[BaseModel], dict[str, Any]]]:
    """Models and what the document shows of them."""
    models = {route.body for route in ROUTES if route.body is not None}
    schemas = DOCUMENT["components"]["schemas"]
    return [
        (model, example)
        for model in sorted(models, key=lambda each: each.__name__)
        for example in schemas.get(model.__name__, {}).get("examples", [])
    ]


@pytest.mark.parametrize(("model", "example"), bodies_with_examples())
def test_every_example_is_valid(model: type[BaseModel], example: dict[str, Any]) -> None:
    """An example is what people copy."""
    parsed = parse_body(model.model_validate(example).model_dump_json(exclude_unset=True).encode(), model)
    assert not isinstance(parsed, Problem)


def shown(method: str, path: str) -> Iterator[tuple[type[BaseModel], Any]]:
    """Models of a call's body and answer, and the example that the document has of each."""
    [route] = [each for each in ROUTES if (each.method, each.path) == (method, path)]
    operation = DOCUMENT["paths"][path][method.lower()]
    if (body := route.documented_body or route.body) is not None:
        for media in operation["requestBody"]["content"].values():
            yield body, media["example"]
    if route.answer is not None:
        yield route.answer, operation["responses"][str(route.status)]["content"][route.content_type]["example"]


@pytest.mark.parametrize(("method", "path"), sorted(API))
def test_every_call_shows_what_is_asked_and_answered(method: str, path: str) -> None:
    """Reading an example is quicker than reading a schema; one that the models refuse would be copied all the same."""
    for model, example in shown(method, path):
        model.model_validate_json(json.dumps(example))
        assert example != {} or not model.model_fields, model.__name__


def answer_of(method: str, path: str) -> Any:
    """What the document shows as the good answer of a call."""
    [(_, answer)] = list(shown(method, path))[-1:]
    return answer


def test_examples_of_answers_are_what_the_call_answers() -> None:
    """An integrator took a code's form, a login's reason and the state after a cancellation from them, wrongly."""
    begun = answer_of("POST", "/v1/accounts/{account_id}/factors")
    assert (begun["factor"]["state"], begun["backup_codes"]) == ("pending", None)
    assert answer_of("POST", "/v1/challenges/{challenge_id}/cancel")["state"] == "cancelled"
    assert answer_of("POST", "/v1/accounts/{account_id}/recovery/{recovery_id}/deny")["state"] == "denied"
    assert answer_of("GET", "/v1/accounts/{account_id}/gate")["reason"] == "grace"
    login = answer_of("POST", "/v1/logins")
    assert (login["reason"], login["notice"]) == ("factor_enrolled", None)
    confirmed = answer_of("POST", "/v1/accounts/{account_id}/factors/{factor_id}/confirm")
    made = answer_of("POST", "/v1/accounts/{account_id}/recovery-codes")
    for code in (*confirmed["backup_codes"], confirmed["recovery_key"], made["recovery_code"]):
        assert re.fullmatch(r"[0-9](-[0-9A-HJKMNP-TV-Z]{4}){4}", code)


def test_a_batch_is_shown_as_an_array() -> None:
    """What is said to be a batch of CloudEvents was one of them, and so refused where it was copied."""
    operation = DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    assert isinstance(operation["application/cloudevents-batch+json"]["example"], list)
    assert isinstance(operation["application/json"]["example"], dict)


@pytest.mark.parametrize(("method", "path"), sorted(API))
def test_every_refusal_shows_its_problem_document(method: str, path: str) -> None:
    """A client is written against the document that it will get."""
    for status, response in DOCUMENT["paths"][path][method.lower()]["responses"].items():
        if not status.startswith(("4", "5")):
            continue
        examples = response["content"][CONTENT_TYPE]["examples"]
        assert {f"`{code}`" for code in examples} == set(response["description"].split(", "))
        for code, each in examples.items():
            assert each == {"$ref": f"#/components/examples/{code}"}
            document = ProblemDocument.model_validate(DOCUMENT["components"]["examples"][code]["value"])
            assert (document.code, str(document.status)) == (code, status)


def test_schemas_have_names_that_people_can_read() -> None:
    """They become class names of generated clients."""
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name or not re.match(r"[A-Z]", name)] == []


def test_the_page_for_people_lists_every_call() -> None:
    """It is made of the same document."""
    page = documentation(DOCUMENT)
    shown = {(call["method"], call["path"]) for group in page["groups"] for call in group["calls"]}
    assert shown == {(method, path) for method, path, _ in operations()}


def test_the_page_for_people_shows_examples_and_refusals() -> None:
    """Not everybody reads JSON schemas."""
    page = documentation(DOCUMENT)
    [verify] = [call for group in page["groups"] for call in group["calls"] if call["path"].endswith("/verify")]
    assert '"code": "123456"' in verify["example"]
    assert '"method": "totp"' in verify["answer"]
    problems = {each["code"] for response in verify["responses"] for each in response["problems"]}
    assert {"code_wrong", "challenge_expired", "throttled"} <= problems
    assert "code_wrong" in Pages().text("documentation.html", page)
