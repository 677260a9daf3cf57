"""The HTTP server around the application: what is not even HTTP is answered by a problem document as well.

aiohttp answers what it cannot parse by itself, before any middleware, with the line that it could not read: an API key
with a stray character would come back in clear, and stand in the log.
"""

import asyncio
from http import HTTPStatus

import structlog
from aiohttp import web

from services.gateway.middleware import document_response
from services.gateway.problems import HttpCode, Problem
from services.gateway.settings import GatewaySettings
from shared.contracts.replies import RefusalCode
from shared.ids import new_id

log = structlog.get_logger()

FIRST_HEAD_WITHIN = 10.0  # seconds from the connection on; whoever sends a letter a minute does not stay
KEEP_ALIVE = 75.0  # seconds from one request to the end of the next one's head
FINISH_WITHIN = 5.0  # seconds for requests in flight when the process leaves; each has a budget of 2.5


class ApplicationRunner(web.AppRunner):
    """Serves an application on connections of ours."""

    def __init__(self, app: web.Application, settings: GatewaySettings) -> None:
        super().__init__(app, shutdown_timeout=FINISH_WITHIN)
        self._settings = settings

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._settings)


class _Server(web.Server):
    """Makes the protocol of each connection."""

    def __init__(self, made: web.Server, settings: GatewaySettings) -> None:
        super().__init__(self._handle, request_factory=made.request_factory)
        self._application = made.request_handler
        self._settings = settings

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._settings)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """An expectation that cannot be met is refused before any middleware (RFC 9110, 10.1.1)."""
        try:
            return await self._application(request)
        except web.HTTPException:
            return _problem(self._settings, Problem(code=HttpCode.REQUEST_REFUSED))


class _Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_patience", "_settings")

    def __init__(self, server: _Server, settings: GatewaySettings) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE,
            access_log=None,  # type: ignore[arg-type]  # it would write paths, and one of them holds a token
        )
        self._settings = settings
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The wait for the first request begins."""
        super().connection_made(transport)
        self._patience = asyncio.get_running_loop().call_later(FIRST_HEAD_WITHIN, self.force_close)

    def data_received(self, data: bytes) -> None:
        """The first whole head ends the wait."""
        super().data_received(data)
        if self._request_count:
            self._end_wait()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody is waited for any more."""
        self._end_wait()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # quotes what was sent
    ) -> web.StreamResponse:
        """What went wrong outside of the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            log.info("not_http", error=exc)
            response = _problem(self._settings, Problem(code=HttpCode.REQUEST_REFUSED))
        else:
            log.error("request_failed", error=exc)
            response = _problem(self._settings, Problem(code=RefusalCode.INTERNAL_ERROR))
        response.force_close()
        return response

    def _end_wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _problem(settings: GatewaySettings, problem: Problem) -> web.Response:
    return document_response(settings, str(new_id()), problem)
