"""A tenant's own server, to which webhooks are posted."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook

PATIENCE = 30.0  # seconds; on a machine that has much else to do


@dataclass(frozen=True, slots=True)
class Hook:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The event's."""
        return self.headers["webhook-id"]

    def checked(self, secret: str) -> dict[str, Any]:
        """The event, if the signature fits. Raises `WebhookVerificationError`."""
        event: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return event


@dataclass(slots=True)
class WebhookReceiver:
    """Answers 204, or what `then` says of the next ones; `slow` paths answer when `release` is set."""

    hooks: list[Hook] = field(default_factory=list)
    then: deque[web.Response] = field(default_factory=deque)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    url: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def wait_for(self, is_it: Callable[[Hook], bool], *, count: int = 1) -> list[Hook]:
        """The first so many requests like that. Raises `TimeoutError`."""

        def found() -> list[Hook]:
            return [hook for hook in self.hooks if is_it(hook)]

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(found()) >= count)
        return found()[:count]

    async def _take(self, request: web.Request) -> web.Response:
        hook = Hook(
            request.path, {name.lower(): value for name, value in request.headers.items()}, await request.read()
        )
        self.hooks.append(hook)
        async with self._news:
            self._news.notify_all()
        if request.path.startswith("/slow"):
            self.waiting += 1
            await self.release.wait()
            self.waiting -= 1
        return self.then.popleft() if self.then else web.Response(status=204)
