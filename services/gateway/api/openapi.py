"""The OpenAPI 3.1 document, made of the route table and the pydantic models: there is nothing to keep in step."""

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.api.answers import ProblemDocument
from services.gateway.api.auth import May
from services.gateway.api.examples import BY_CALL, example
from services.gateway.api.page import Page
from services.gateway.api.parsing import JSON
from services.gateway.api.route import ID_PARTS, ProvenBy, Route
from services.gateway.problems import CONTENT_TYPE, KINDS, Code, HttpCode, Problem
from services.gateway.settings import GatewaySettings
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ACCOUNT_ID_PATTERN

Json = dict[str, Any]

DESCRIPTION = (
    "The second factor of a helpdesk's logins. Errors are problem documents (RFC 9457). POSTs that change or send take "
    "an Idempotency-Key: the same key and body give the same answer. Lists are paged by opaque cursors."
)
REQUEST = "01990000-0000-7000-8000-0000000000aa"  # the id that the examples of problems are answered with
_REF = "#/components/schemas/{model}"
ALWAYS: tuple[Code, ...] = (
    HttpCode.UNAUTHORIZED,
    HttpCode.KEY_EXPIRED,
    HttpCode.TENANT_SUSPENDED,
    HttpCode.FORBIDDEN_SCOPE,
    HttpCode.VALIDATION_FAILED,
    RefusalCode.INTERNAL_ERROR,
    RefusalCode.UNAVAILABLE,
    RefusalCode.KEY_MISSING,
)
WITH_BODY: tuple[Code, ...] = (HttpCode.MALFORMED_JSON, HttpCode.BODY_TOO_LARGE, HttpCode.UNSUPPORTED_MEDIA_TYPE)
WITH_KEY: tuple[Code, ...] = (
    HttpCode.IDEMPOTENCY_KEY_MISSING,
    HttpCode.IDEMPOTENCY_KEY_INVALID,
    RefusalCode.ALREADY_ANSWERED,
    RefusalCode.IDEMPOTENCY_KEY_REUSED,
)
_KEY_PARAMETER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New and random with each request; the same with a retry.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}


def document(entries: Sequence[Route | Page], settings: GatewaySettings) -> Json:
    """The whole document."""
    routes = [entry for entry in entries if isinstance(entry, Route)]
    names, schemas = _schemas(routes)
    paths: dict[str, Json] = {}
    for entry in entries:
        operation = _operation(entry, names, schemas) if isinstance(entry, Route) else _page(entry)
        paths.setdefault(entry.path, {})[entry.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deskfactor", "version": document_version(), "description": DESCRIPTION},
        "servers": [{"url": settings.public_url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": {code.value: _problem_document(code, settings) for code in KINDS},
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "bearerFormat": "df_live_… | df_test_…"}
            },
        },
    }


def _schemas(routes: Sequence[Route]) -> tuple[dict[type[BaseModel], Json], Json]:
    models = {model: None for route in routes for model in (_body(route), route.answer, route.query) if model}
    wanted = [(model, "validation") for model in (*models, ProblemDocument)]
    found, definitions = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    return {model: found[model, "validation"] for model in models}, definitions["$defs"]


def _body(route: Route) -> type[BaseModel] | None:
    return route.documented_body or route.body


def _operation(route: Route, names: dict[type[BaseModel], Json], schemas: Json) -> Json:
    codes = [*ALWAYS, *route.refusals]
    operation: Json = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or "",
        "tags": [_tag(route.path)],
        "security": [{"api_key": []}],
        "parameters": [*map(_path_parameter, route.parts), *_query_parameters(route)],
    }
    if not isinstance(route.allows, May):
        operation["x-scopes"] = [scope.value for scope in route.allows]
    if route.proven_by is not ProvenBy.NOBODY:
        operation["x-admin-proof"] = route.proven_by.value
    if (body := _body(route)) is not None:
        codes += WITH_BODY
        is_required = any(field.is_required() for field in body.model_fields.values())
        shown = example(names[body], schemas)
        content = {
            each: {"schema": names[body], "example": [shown] if _is_batch(each) else shown} for each in route.accepts
        }
        operation["requestBody"] = {"required": is_required, "content": content}
    if route.is_idempotent:
        codes += WITH_KEY
        operation["parameters"].append(_KEY_PARAMETER)
    good = {
        "description": HTTPStatus(route.status).phrase,
        "content": dict.fromkeys((route.content_type, *route.other_content_types), _answer(route, names, schemas)),
    }
    problems = _problems(codes)
    operation["responses"] = {str(route.status): good} | problems | {"default": _problem("Another problem")}
    return operation


def _answer(route: Route, names: dict[type[BaseModel], Json], schemas: Json) -> Json:
    if route.answer is None:
        return {"schema": {"type": "object" if route.content_type == JSON else "string"}}
    shown = example(names[route.answer], schemas)
    after = BY_CALL.get((route.method, route.path))
    return {"schema": names[route.answer], "example": shown | after if after and isinstance(shown, dict) else shown}


def _is_batch(content_type: str) -> bool:
    """Whether bodies of it are arrays (CloudEvents, JSON format, 4)."""
    return content_type.endswith("-batch+json")


def _operation_id(route: Route) -> str:
    return f"{route.handler.__module__.rpartition('.')[2]}.{route.handler.__name__}"


def _tag(path: str) -> str:
    """The noun that a path is about."""
    named = [part for part in path.split("/") if part not in ("", "v1") and not part.startswith("{")]
    return next(
        (noun for noun in ("factors", "backup-codes", "trusted-devices", "recovery") if noun in named), named[0]
    )


def _path_parameter(name: str) -> Json:
    schema = (
        {"type": "string", "format": "uuid"} if name in ID_PARTS else {"type": "string", "pattern": ACCOUNT_ID_PATTERN}
    )
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> list[Json]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _not_null(property_)}
        for name, property_ in schema["properties"].items()
    ]


def _not_null(schema: Json) -> Json:
    """A parameter is left out, never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default") or value is not None}
    rest.pop("anyOf", None)
    return rest | (options[0] if len(options) == 1 else {"anyOf": options} if options else {})


def _problems(codes: Iterable[Code]) -> Json:
    ordered = sorted(set(codes), key=lambda code: (KINDS[code].status, code.value))
    return {
        str(status): _problem_answer(list(group), status)
        for status, group in groupby(ordered, key=lambda code: KINDS[code].status)
    }


def _problem_answer(codes: Sequence[Code], status: int) -> Json:
    """What a status means here: each refusal with its document."""
    answer = _problem(", ".join(f"`{code.value}`" for code in codes), status)
    answer["content"][CONTENT_TYPE]["examples"] = {
        code.value: {"$ref": f"#/components/examples/{code.value}"} for code in codes
    }
    return answer


def _problem_document(code: Code, settings: GatewaySettings) -> Json:
    return {"summary": KINDS[code].title, "value": Problem(code=code).document(settings, REQUEST)}


def _problem(description: str, status: int | None = None) -> Json:
    problem: Json = {
        "description": description,
        "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(model=ProblemDocument.__name__)}}},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        problem["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    return problem


def _page(page: Page) -> Json:
    operation: Json = {
        "operationId": f"{page.method.lower()} {page.path}",
        "summary": page.summary,
        "tags": ["beside"],
        "security": [],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", page.path)
        ]
        + [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in page.query],
        "responses": {str(status): _page_answer(page, status, text) for status, text in page.answers.items()}
        | {"default": _problem("Another problem")},
    }
    if page.form:
        fields = {"type": "object", "properties": {name: {"type": "string"} for name in page.form}}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": fields}}}
    return operation


def _page_answer(page: Page, status: int, text: str) -> Json:
    is_page = page.content_type == "text/html"
    if page.content_type is None or (status >= HTTPStatus.BAD_REQUEST and not is_page):
        return {"description": text}
    return {"description": text, "content": {page.content_type: {}}}


def document_version() -> str:
    """Of what is installed."""
    try:
        return version("deskfactor")
    except PackageNotFoundError:
        return "0"
