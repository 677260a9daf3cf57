"""From bytes to a valid body, or to a problem that points at each fault without showing what was sent."""

import json
import re
from typing import TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.gateway.problems import Fault, HttpCode, Problem
from shared.contracts.commands import request_scope
from shared.contracts.types import RequestKey
from shared.crypto.digests import digest
from shared.crypto.keyring import KeyRing

M = TypeVar("M", bound=BaseModel)

JSON = "application/json"
MAX_FAULTS = 20
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_OF_AN_ENUM = re.compile(r"<\w+\.\w+: ('[^']*')>")
_SHOWABLE = re.compile(r"[a-z][a-z_]{0,40}")


async def read_json(request: web.Request, accepted: tuple[str, ...] = (JSON,)) -> bytes | Problem:
    """The body, at most as large as the application allows; an empty one stands for ``{}``."""
    raw = await _read(request)
    if not raw:
        return b"{}"
    if request.headers.get(hdrs.CONTENT_TYPE) in accepted:  # without parameters, as nearly everybody says it
        return raw
    is_utf8 = (request.charset or "utf-8").lower() in ("utf-8", "utf8", "us-ascii")
    if request.content_type not in accepted or not is_utf8:
        return Problem(code=HttpCode.UNSUPPORTED_MEDIA_TYPE, detail=f"Send {' or '.join(accepted)} in UTF-8.")
    return raw


async def _read(request: web.Request) -> bytes:
    """As `Request.read`, which asks the stream twice and copies; most bodies came in one piece, with the head."""
    if not request.content.is_eof():
        return await request.read()
    raw = request.content.read_nowait()
    if len(raw) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    return raw


def parse_body(raw: bytes, model: type[M]) -> M | Problem:
    """JSON is parsed once, strictly: no text is taken for a number, nothing unknown is ignored."""
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_input=False, include_url=False)):
            return Problem(code=HttpCode.MALFORMED_JSON)
        return Problem(code=HttpCode.VALIDATION_FAILED, faults=faults_of(error))


def parse_query(request: web.Request, model: type[M]) -> M | Problem:
    """The query's parameters, each at most once."""
    query = request.query if request.query_string else {}
    given = dict(query)
    if len(given) != len(query):
        return Problem(code=HttpCode.VALIDATION_FAILED, detail="A parameter is given twice.")
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        return Problem(code=HttpCode.VALIDATION_FAILED, faults=faults_of(error))


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """What is wrong, where; the first twenty."""
    found = _without_echoes(error.errors(include_input=False, include_url=False, include_context=False))
    return tuple(
        Fault(
            pointer=_pointer(fault["loc"]),
            code=fault["type"],
            detail=_plain(fault["msg"]),
        )
        for fault in found[:MAX_FAULTS]
    )


def _without_echoes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """A member that is wrong is not counted, so that its array may seem too short: that is no fault of its own."""
    wrong = {fault["loc"] for fault in found}
    return [
        fault
        for fault in found
        if fault["type"] != "too_short"
        or not any(loc[: len(fault["loc"])] == fault["loc"] for loc in wrong - {fault["loc"]})
    ]


def _plain(message: str) -> str:
    """In the words of JSON instead of Python's."""
    words = _OF_AN_ENUM.sub(r"\1", message.removeprefix("Value error, "))
    return words.replace("Tuple should", "The array should")


def _pointer(location: tuple[int | str, ...]) -> str:
    """RFC 6901. A name that is none of ours is the caller's text and may be anything: it is not shown."""
    parts = [part if isinstance(part, int) or _SHOWABLE.fullmatch(part) else "?" for part in location]
    return "".join(f"/{part}" for part in parts)


def idempotency_key(request: web.Request, body: BaseModel, digests: KeyRing) -> RequestKey | Problem:
    """The request's key and the keyed digest of what it asks for."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return Problem(code=HttpCode.IDEMPOTENCY_KEY_MISSING)
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        return Problem(code=HttpCode.IDEMPOTENCY_KEY_INVALID)
    canonical = _CANONICAL.encode(body.model_dump(mode="json", exclude_unset=True))
    return RequestKey(
        scope=request_scope(request.method, request.path), key=given[0], fingerprint=digest(digests, canonical)
    )
