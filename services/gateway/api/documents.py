"""What the API says of itself, made when somebody first asks.

Most processes of the gateway are never asked, and the schemas of all bodies, answers and events are 6 MiB.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence

from aiohttp import web

from services.gateway.api.asyncapi import event_document
from services.gateway.api.documentation import documentation
from services.gateway.api.openapi import document
from services.gateway.api.page import Page
from services.gateway.api.route import Route
from services.gateway.settings import GatewaySettings


class Documents:
    """The three documents of a gateway; each is made once, in a thread, for 200 ms in which others are answered."""

    def __init__(self, entries: Sequence[Route | Page], settings: GatewaySettings) -> None:
        self._entries = entries
        self._settings = settings
        self._making = asyncio.Lock()
        self._made: tuple[bytes, bytes, Mapping[str, object]] | None = None

    async def of_calls(self) -> bytes:
        """OpenAPI, as JSON."""
        return (await self._all())[0]

    async def of_events(self) -> bytes:
        """AsyncAPI, as JSON."""
        return (await self._all())[1]

    async def for_people(self) -> Mapping[str, object]:
        """Values of the page that shows the calls."""
        return (await self._all())[2]

    async def _all(self) -> tuple[bytes, bytes, Mapping[str, object]]:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> tuple[bytes, bytes, Mapping[str, object]]:
        calls = document(self._entries, self._settings)
        events = event_document(self._settings)
        return json.dumps(calls).encode(), json.dumps(events).encode(), documentation(calls)


DOCUMENTS = web.AppKey("documents", Documents)
