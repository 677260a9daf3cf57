"""The table of what is served beside the API's calls."""

from aiohttp import web

from services.gateway.api.call import (
    CANCEL_PAGE,
    DOWNLOAD_PAGE,
    HTML,
    NOT_ME_PAGE,
)
from services.gateway.api.callbacks import twilio
from services.gateway.api.documents import DOCUMENTS
from services.gateway.api.page import Page
from services.gateway.api.published_keys import jwks
from services.gateway.middleware import SETTINGS
from services.gateway.problems import BY_SLUG
from services.gateway.prompt.not_me import PATH as NOT_ME
from services.gateway.prompt.recovery_cancel import PATH as RECOVERY_CANCEL
from services.gateway.prompt.report_download import PATH as REPORT_DOWNLOAD
from shared.http.health import healthz, metrics, readyz

_SHORTLY = {"Cache-Control": "public, max-age=300"}


async def openapi(request: web.Request) -> web.Response:
    """The document itself."""
    body = await request.app[DOCUMENTS].of_calls()
    return web.Response(body=body, content_type="application/json", headers=_SHORTLY)


async def asyncapi(request: web.Request) -> web.Response:
    """The document of the events."""
    body = await request.app[DOCUMENTS].of_events()
    return web.Response(body=body, content_type="application/json", headers=_SHORTLY)


async def docs(request: web.Request) -> web.Response:
    """The document for people."""
    return request.app[HTML].response("documentation.html", await request.app[DOCUMENTS].for_people())


async def problem(request: web.Request) -> web.Response:
    """What a problem type means and what to do about it."""
    found = BY_SLUG.get(request.match_info["slug"])
    if found is None:
        raise web.HTTPNotFound
    code, kind = found
    docs_url = f"{request.app[SETTINGS].public_url}/docs"
    values = {"title": kind.title, "text": kind.text, "code": code.value, "status": kind.status, "docs": docs_url}
    return request.app[HTML].response("problem.html", values)


async def show_recovery_cancel(request: web.Request) -> web.Response:
    """Shows, and does nothing."""
    return await request.app[CANCEL_PAGE].show(request)


async def recovery_cancel(request: web.Request) -> web.Response:
    """Stops the recovery."""
    return await request.app[CANCEL_PAGE].act(request)


async def show_not_me(request: web.Request) -> web.Response:
    """Shows, and says nothing to anybody."""
    return await request.app[NOT_ME_PAGE].show(request)


async def not_me(request: web.Request) -> web.Response:
    """Says that it was somebody else."""
    return await request.app[NOT_ME_PAGE].act(request)


async def show_report_download(request: web.Request) -> web.Response:
    """Shows, and counts nothing."""
    return await request.app[DOWNLOAD_PAGE].show(request)


async def report_download(request: web.Request) -> web.Response:
    """Sends the file."""
    return await request.app[DOWNLOAD_PAGE].act(request)


_DOWNLOAD_FIELDS = ("tenant", "report", "token")
_CANCEL_FIELDS = ("tenant", "request", "token")
_NOT_ME_FIELDS = ("tenant", "notice", "token")

PAGES: tuple[Page, ...] = (
    Page(
        method="GET",
        path="/healthz",
        handler=healthz,
        summary="The process turns",
        content_type="application/json",
        answers={200: "It does."},
    ),
    Page(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Whether work can be done",
        content_type="application/json",
        answers={200: "It can.", 503: "Database or bus are away, or the process is leaving."},
    ),
    Page(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Metrics for Prometheus",
        content_type="text/plain",
        answers={200: "All of them."},
    ),
    Page(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        summary="This document",
        content_type="application/json",
        answers={200: "OpenAPI 3.1."},
    ),
    Page(
        method="GET",
        path="/asyncapi.json",
        handler=asyncapi,
        summary="The events, and what carries them",
        content_type="application/json",
        answers={200: "AsyncAPI 3.0."},
    ),
    Page(
        method="GET",
        path="/docs",
        handler=docs,
        summary="This document, for people",
        content_type="text/html",
        answers={200: "A page."},
    ),
    Page(
        method="GET",
        path="/problems/{slug}",
        handler=problem,
        summary="What a problem type means",
        content_type="text/html",
        answers={200: "A page."},
    ),
    Page(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        summary="The keys that assertions are checked with",
        content_type="application/json",
        answers={200: "A JSON Web Key Set (RFC 7517).", 503: "Not available right now."},
    ),
    Page(
        method="POST",
        path="/v1/callbacks/twilio",
        handler=twilio,
        summary="Receipts of SMS, signed by their provider",
        content_type=None,
        answers={
            204: "Taken in.",
            400: "Not a receipt.",
            403: "The signature does not fit.",
            404: "No such delivery.",
            415: "Not a form.",
            503: "Not available right now.",
        },
        form=("MessageSid", "MessageStatus"),
        query=("tenant", "delivery"),
    ),
    Page(
        method="GET",
        path=RECOVERY_CANCEL,
        handler=show_recovery_cancel,
        summary="The page behind the link in a recovery's notices; shows only",
        content_type="text/html",
        answers={200: "A question and a button.", 404: "Not a valid link."},
        query=_CANCEL_FIELDS,
    ),
    Page(
        method="POST",
        path=RECOVERY_CANCEL,
        handler=recovery_cancel,
        summary="Stops the recovery",
        content_type="text/html",
        answers={200: "Stopped.", 404: "Not a valid link.", 409: "It is over.", 503: "Not available right now."},
        form=(*_CANCEL_FIELDS, "reason"),
    ),
    Page(
        method="GET",
        path=NOT_ME,
        handler=show_not_me,
        summary='The page behind "this was not me" in a security notice; shows only',
        content_type="text/html",
        answers={
            200: "What happened, and a button.",
            404: "Not a valid link.",
            410: "It was good for 30 days.",
            503: "Not available right now.",
        },
        query=_NOT_ME_FIELDS,
    ),
    Page(
        method="POST",
        path=NOT_ME,
        handler=not_me,
        summary="Ends trusted devices and an open recovery, asks to end sessions, tells the admins",
        content_type="text/html",
        answers={
            200: "Said.",
            404: "Not a valid link.",
            410: "It was good for 30 days.",
            503: "Not available right now.",
        },
        form=_NOT_ME_FIELDS,
    ),
    Page(
        method="GET",
        path=REPORT_DOWNLOAD,
        handler=show_report_download,
        summary="The page behind the mailed link to a report; shows only",
        content_type="text/html",
        answers={200: "A button.", 404: "Not a valid link."},
        query=_DOWNLOAD_FIELDS,
    ),
    Page(
        method="POST",
        path=REPORT_DOWNLOAD,
        handler=report_download,
        summary="Sends the report, three times at most",
        content_type="text/csv",
        answers={
            200: "The file.",
            404: "Not a valid link.",
            410: "It has expired, or was downloaded three times.",
            503: "Not available right now.",
        },
        form=_DOWNLOAD_FIELDS,
    ),
)
