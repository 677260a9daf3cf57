"""The OpenAPI document as a page for people: what a template needs, no more."""

import json
from itertools import groupby
from typing import Any

Json = dict[str, Any]


def documentation(document: Json) -> Json:
    """Values of the page."""
    calls = [
        (operation["tags"][0], _call(method, path, operation, document))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    calls.sort(key=lambda each: (each[0] == "beside", each[0]))
    groups = [
        {"name": tag, "calls": [call for _, call in group]} for tag, group in groupby(calls, key=lambda each: each[0])
    ]
    server = document["servers"][0]["url"]
    return {
        "title": document["info"]["title"],
        "description": document["info"]["description"],
        "openapi": f"{server}/openapi.json",
        "asyncapi": f"{server}/asyncapi.json",
        "groups": groups,
    }


def _call(method: str, path: str, operation: Json, document: Json) -> Json:
    body = _body(operation, document)
    scopes = operation.get("x-scopes")
    return {
        "id": operation["operationId"].replace(" ", "-"),
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "scopes": f"scope {' or '.join(scopes)}" if scopes else "",
        "parameters": [_parameter(each) for each in operation["parameters"]],
        "fields": _fields(body, document),
        "example": _example(operation.get("requestBody", {})),
        "answer": next((_example(each) for status, each in operation["responses"].items() if status < "3"), ""),
        "responses": [
            _response(status, each, document) for status, each in operation["responses"].items() if status != "default"
        ],
    }


def _body(operation: Json, document: Json) -> Json:
    content = operation.get("requestBody", {}).get("content", {})
    media: Json = next(iter(content.values()), {})
    return _resolved(media.get("schema", {}), document)


def _resolved(schema: Json, document: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _parameter(parameter: Json) -> Json:
    return {
        "name": parameter["name"],
        "where": parameter["in"],
        "is_required": parameter["required"],
        "text": parameter.get("description", ""),
    }


def _fields(body: Json, document: Json) -> list[Json]:
    required = body.get("required", [])
    return [
        {"name": name, "type": _type(schema, document), "is_required": name in required}
        for name, schema in body.get("properties", {}).items()
    ]


def _type(schema: Json, document: Json) -> str:
    """A type in a few words."""
    schema = _resolved(schema, document)
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(option, document) for option in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), document)}"
    return str(schema.get("format") or schema.get("const") or schema.get("type") or "any")


def _example(spoken: Json) -> str:
    """That of a body or of an answer."""
    media: Json = next(iter(spoken.get("content", {}).values()), {})
    found = media.get("example")
    return json.dumps(found, indent=2, ensure_ascii=False) if found else ""


def _response(status: str, response: Json, document: Json) -> Json:
    """A status; where it is a problem, each that it may be, with its title and the page about it."""
    media: Json = next(iter(response.get("content", {}).values()), {})
    known = document["components"]["examples"]
    problems = [
        {"code": code, "title": known[code]["summary"], "page": known[code]["value"]["type"]}
        for code in media.get("examples", {})
    ]
    return {"status": status, "text": "" if problems else response["description"], "problems": problems}
