"""One row of the API, and how a request goes through it: who calls, may they, what do they ask, what is said."""

import datetime as dt
import enum
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel
from pydantic_core import to_json

from services.gateway.api.auth import Allowed, Caller, forbids
from services.gateway.api.call import NOTHING, Call, Deps, Nothing, Outcome, Said
from services.gateway.api.parsing import JSON, idempotency_key, parse_body, parse_query, read_json
from services.gateway.downloads import Streamed
from services.gateway.middleware import CALLER, CORRELATION_ID, DEADLINE, problem_response
from services.gateway.problems import Code, HttpCode, Problem, invalid
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ACCOUNT_ID_PATTERN, RequestKey
from shared.ids import UUID_TEXT
from shared.messaging.bus import Unavailable

ACCOUNT_ID = re.compile(ACCOUNT_ID_PATTERN.strip("^$"))

ID_PARTS: Mapping[str, Code] = MappingProxyType(
    {
        "challenge_id": RefusalCode.CHALLENGE_NOT_FOUND,
        "factor_id": RefusalCode.FACTOR_NOT_FOUND,
        "device_id": RefusalCode.DEVICE_NOT_FOUND,
        "recovery_id": RefusalCode.RECOVERY_NOT_FOUND,
        "endpoint_id": RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND,
        "delivery_id": RefusalCode.WEBHOOK_DELIVERY_NOT_FOUND,
        "report_id": RefusalCode.REPORT_NOT_FOUND,
        "key_id": HttpCode.KEY_NOT_FOUND,
    }
)
"""Parts of paths that are UUIDs: another text names nothing, so it is not found."""


class ProvenBy(enum.Enum):
    """Whose fresh step-up a call takes where the tenant has `admin_proof: required`."""

    NOBODY = "nobody"
    ACTOR = "actor"
    TWO = "actor, and approver where it opens an admin's account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call: the source of routing, of authorisation and of the OpenAPI document."""

    method: str
    path: str
    allows: Allowed
    handler: Callable[[Call[Any, Any]], Awaitable[Outcome | Streamed]]
    summary: str
    answer: type[BaseModel] | None  # None: a file of `content_type`
    content_type: str = JSON
    other_content_types: tuple[str, ...] = ()  # of the same file in other formats
    body: type[BaseModel] | None = None
    documented_body: type[BaseModel] | None = None  # where `body` is looser than what is taken
    query: type[BaseModel] | None = None
    status: int = 200
    is_idempotent: bool = False  # an Idempotency-Key is required
    accepts: tuple[str, ...] = (JSON,)
    budget: dt.timedelta | None = None  # where the usual 2.5 seconds are not enough
    cache_control: str | None = None  # of a good answer; what is not said must not be stored
    proven_by: ProvenBy = ProvenBy.NOBODY  # whoever decides the call looks at it
    refusals: tuple[Code, ...] = ()

    @property
    def parts(self) -> list[str]:
        """Names of the variable parts of the path."""
        return re.findall(r"{(\w+)}", self.path)


def served(route: Route, deps: Deps) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The route as aiohttp calls it."""
    parts = route.parts

    async def handle(request: web.Request) -> web.StreamResponse:
        call = await _called(route, parts, request, deps)
        outcome = call if isinstance(call, Problem) else await route.handler(call)
        match outcome:
            case Said(data):
                response = web.Response(body=to_json(data), status=route.status, content_type=JSON)
                if route.cache_control is not None:
                    response.headers["Cache-Control"] = route.cache_control
                return response
            case Streamed():
                return outcome.response()
            case Problem():
                return problem_response(request, outcome)

    return handle


async def _called(route: Route, parts: Sequence[str], request: web.Request, deps: Deps) -> Call[Any, Any] | Problem:
    if not deps.health.is_database_up:
        raise Unavailable("the database is known to be down")
    caller = await deps.keys.caller(request.headers.get("Authorization"))
    if isinstance(caller, Problem):
        return caller
    request[CALLER] = caller.logged_as
    refused = forbids(route.allows, caller) or _bad_path(route, parts, request)
    return refused or await _parsed(route, request, deps, caller)


def _bad_path(route: Route, parts: Sequence[str], request: web.Request) -> Problem | None:
    for name in parts:
        text = request.match_info[name]
        if name in ID_PARTS and not UUID_TEXT.fullmatch(text):
            return Problem(code=ID_PARTS[name])
        if name == "account_id" and not ACCOUNT_ID.fullmatch(text):
            if route.method == "PUT":
                return invalid("", "account_id", "An account id has 1 to 128 of A-Z a-z 0-9 . _ ~ -")
            return Problem(code=RefusalCode.ACCOUNT_NOT_FOUND)
    return None


async def _parsed(route: Route, request: web.Request, deps: Deps, caller: Caller) -> Call[Any, Any] | Problem:
    query = _query(route, request)
    if isinstance(query, Problem):
        return query
    body: BaseModel | Problem = NOTHING
    if route.body is not None:
        raw = await read_json(request, route.accepts)
        body = raw if isinstance(raw, Problem) else parse_body(raw, route.body)
    if isinstance(body, Problem):
        return body
    key: RequestKey | Problem | None = idempotency_key(request, body, deps.digests) if route.is_idempotent else None
    if isinstance(key, Problem):
        return key
    return Call(
        deps=deps,
        caller=caller,
        body=body,
        query=query,
        path=request.match_info,
        key=key,
        deadline=request[DEADLINE],
        is_head=request.method == hdrs.METH_HEAD,
        correlation_id=request.get(CORRELATION_ID),
    )


def _query(route: Route, request: web.Request) -> BaseModel | Problem:
    if route.query is None and not request.query_string:
        return NOTHING
    return parse_query(request, route.query or Nothing)
