"""The table of the hosted pages: one door, and one address a session."""

from aiohttp import web

from services.gateway.api.call import HOSTED_PAGES
from services.gateway.api.page import Page
from services.gateway.prompt.sessions import PATH, PATH_OPEN


async def open_prompt(request: web.Request) -> web.Response:
    """A one-time address becomes a session."""
    return await request.app[HOSTED_PAGES].open(request)


async def show_prompt(request: web.Request) -> web.Response:
    """The session's page."""
    return await request.app[HOSTED_PAGES].show(request)


async def prompt(request: web.Request) -> web.Response:
    """A form of the session's page."""
    return await request.app[HOSTED_PAGES].act(request)


PROMPT_PAGES: tuple[Page, ...] = (
    Page(
        method="GET",
        path=PATH_OPEN,
        handler=open_prompt,
        summary="The address of a prompt session, good once: gives the browser its cookie",
        content_type="text/html",
        answers={
            303: "To the page.",
            404: "Not a valid link.",
            410: "It was used, or its time is over.",
            503: "Not available right now.",
        },
        query=("tenant", "session", "token"),
    ),
    Page(
        method="GET",
        path=PATH,
        handler=show_prompt,
        summary="The page of a prompt session, for the browser that opened it",
        content_type="text/html",
        answers={
            200: "What there is to do.",
            303: "Done before: back to `return_url`.",
            410: "The session, or its challenge, is over.",
            503: "Not available right now.",
        },
        query=("factor", "way", "page"),
    ),
    Page(
        method="POST",
        path=PATH,
        handler=prompt,
        summary="Judges what was typed, or sends a code; then back to `return_url`",
        content_type="text/html",
        answers={
            200: "The next step, or new codes, before it goes on.",
            303: "Passed: back to `return_url`, with `code`, `challenge_id` and `state`. Or sent: to the page.",
            403: "Not a form of this session.",
            410: "The session, or its challenge, is over.",
            422: "Not taken; the page says why.",
            429: "Not yet; the page says when.",
            503: "Not available right now.",
        },
        form=(
            *("form_token", "nonce", "page", "action"),
            *("way", "factor", "code", "trust_device", "type", "began", "saved"),
        ),
    ),
)
