"""Around every request: its id, its deadline, its one line in the log, its metric, and what went wrong as a problem."""

import asyncio
import datetime as dt
import functools
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from uuid import UUID

import structlog
from aiohttp import web
from prometheus_client import Histogram

from services.gateway.problems import CONTENT_TYPE, Code, HttpCode, Problem
from services.gateway.settings import GatewaySettings
from shared.clock import host_now, monotonic
from shared.contracts.replies import RefusalCode
from shared.crypto.keyring import UnknownKey
from shared.db.connection import StoreUnavailable
from shared.ids import UUID_TEXT, new_id
from shared.messaging.bus import NoReply, Unavailable
from shared.messaging.topology import REQUEST_BUDGET
from shared.observability.metrics import HTTP_SECONDS

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SETTINGS = web.AppKey("settings", GatewaySettings)
REQUEST_ID = web.RequestKey("request_id", str)
CORRELATION_ID = web.RequestKey("correlation_id", UUID)  # the same, where it is a UUID
BUDGETS = web.AppKey("budgets", Mapping[tuple[str, str], dt.timedelta])  # of calls that may take longer than others
DEADLINE = web.RequestKey("deadline", dt.datetime)  # host time, for whoever asks a service
CODE = web.RequestKey("code", str)  # of the problem that was answered
CALLER = web.RequestKey("caller", str)  # for the log: ids only

_UNMATCHED = "unmatched"
_WRITING = dt.timedelta(milliseconds=50)  # what is left of the budget for the answer itself
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STRICT_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: nothing that goes wrong passes it."""
    started = monotonic()
    request_id = _identify(request)
    route = _template(request)
    budget = request.app[BUDGETS].get((request.method, route), REQUEST_BUDGET)
    request[DEADLINE] = host_now() + budget - _WRITING
    structlog.contextvars.bind_contextvars(request_id=request_id)  # in the context of aiohttp's task for this request
    response = await _answer(request, handler, budget)
    _add_headers(request.app[SETTINGS], request_id, response)
    _report(request, route, response.status, monotonic() - started)
    return response


def _identify(request: web.Request) -> str:
    """The caller's word for the request, or a new one."""
    given = request.headers.get("X-Request-Id", "")
    if not _REQUEST_ID.fullmatch(given):
        request[CORRELATION_ID] = new_id()
        given = str(request[CORRELATION_ID])
    elif UUID_TEXT.fullmatch(given):
        request[CORRELATION_ID] = UUID(given)
    request[REQUEST_ID] = given
    return given


async def _answer(request: web.Request, handler: Handler, budget: dt.timedelta) -> web.StreamResponse:
    try:
        return await _within_budget(handler(request), budget)
    except web.HTTPException as error:
        return _of_http(request, error)
    except web.RequestPayloadError:
        return problem_response(request, Problem(code=HttpCode.REQUEST_REFUSED))
    except (NoReply, Unavailable, StoreUnavailable) as error:
        log.warning("unavailable", reason=type(error).__name__)
        return problem_response(request, Problem(code=RefusalCode.UNAVAILABLE))
    except UnknownKey as error:
        log.error("key_missing", error=error)
        return problem_response(request, Problem(code=RefusalCode.KEY_MISSING))
    except Exception as error:  # noqa: BLE001 - the outermost: behind it is only the caller
        log.error("request_failed", error=error)
        return problem_response(request, Problem(code=RefusalCode.INTERNAL_ERROR))


def _template(request: web.Request) -> str:
    """The path as the table of routes has it: a real one holds account ids."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else _UNMATCHED


async def _within_budget(work: Awaitable[web.StreamResponse], budget: dt.timedelta) -> web.StreamResponse:
    """The result of ``work``; `NoReply` when ``budget`` is over, whatever it hangs on.

    In a task of its own: a query on a frozen connection does not end when it is cancelled, and nobody waits for it.
    As `asyncio.wait` does it, at half its cost: this is done for every request.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    wake = functools.partial(_wake, ended)
    task.add_done_callback(wake)
    timer = loop.call_later(budget.total_seconds(), wake)
    try:
        await ended
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        timer.cancel()
    if not task.done():
        task.add_done_callback(_look_at)
        task.cancel()
        raise NoReply
    return task.result()


def _wake(ended: "asyncio.Future[None]", _task: object = None) -> None:
    if not ended.done():
        ended.set_result(None)


def _look_at(task: "asyncio.Future[web.StreamResponse]") -> None:
    """What a request ended with after its caller was answered."""
    if not task.cancelled() and (error := task.exception()):
        log.info("ended_late", error=error)


def problem_response(request: web.Request, problem: Problem) -> web.Response:
    """A problem as HTTP."""
    request[CODE] = problem.code.value
    return document_response(request.app[SETTINGS], request[REQUEST_ID], problem)


def document_response(settings: GatewaySettings, request_id: str, problem: Problem) -> web.Response:
    """A problem as HTTP, for a request that did not get as far as the application, too."""
    headers = {"Content-Type": CONTENT_TYPE}
    if (seconds := problem.retry_after_header) is not None:
        headers["Retry-After"] = str(seconds)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(problem.document(settings, request_id)).encode()
    response = web.Response(body=body, status=problem.status, headers=headers)
    _add_headers(settings, request_id, response)
    return response


def _of_http(request: web.Request, error: web.HTTPException) -> web.Response:
    code: Code
    match error.status:
        case HTTPStatus.NOT_FOUND:
            code = HttpCode.NOT_FOUND
        case HTTPStatus.METHOD_NOT_ALLOWED:
            code = HttpCode.HTTP_METHOD_NOT_ALLOWED
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            code = HttpCode.BODY_TOO_LARGE
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            code = HttpCode.UNSUPPORTED_MEDIA_TYPE
        case _:
            code = HttpCode.REQUEST_REFUSED
    response = problem_response(request, Problem(code=code))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _add_headers(settings: GatewaySettings, request_id: str, response: web.StreamResponse) -> None:
    """What every answer carries; a page that says otherwise keeps its own."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["Server"] = "deskfactor"  # no version, for which holes could be looked up
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"  # the address of a cancel page holds its token
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", _STRICT_CSP)
    if settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"


def _report(request: web.Request, route: str, status: int, seconds: float) -> None:
    """The canonical line, where somebody reads it. Without the query, which may hold a token."""
    method = _method(request)
    _seconds(method, route, status).observe(seconds)
    if not log.is_enabled_for(logging.INFO):
        return
    log.info(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        **{name: request[key] for name, key in (("problem", CODE), ("caller", CALLER)) if key in request},
    )


@functools.cache  # as many as there are series
def _seconds(method: str, route: str, status: int) -> Histogram:
    return HTTP_SECONDS.labels(method=method, route=route, status=str(status))


def _method(request: web.Request) -> str:
    return request.method if request.method in ("GET", "POST", "PUT", "PATCH", "DELETE") else "other"
