"""What is served beside the API's calls: documents, health, pages for people, callbacks."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One of them. `answers`: status → what it means; `content_type`: of the good one."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str
    content_type: str | None
    answers: Mapping[int, str]
    form: tuple[str, ...] = ()  # names of the fields that are sent
    query: tuple[str, ...] = ()
