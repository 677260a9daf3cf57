"""The whole product in one process, on an event loop of a thread of its own: for tests that are not asynchronous."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import UUID

import aiohttp
import asyncpg

from services.cli.demo.helpdesk import Helpdesk
from services.cli.simulators.mailbox import Mailbox
from services.cli.tenants import create_api_key, create_tenant
from services.policy.handlers.timers import fire_due_timers
from services.policy.settings import PolicySettings
from shared.clock import host_now, monotonic
from shared.process import Core, open_core
from shared.settings import load_settings
from tests.support.whole import whole

T = TypeVar("T")

STARTED_WITHIN: Final = 60.0  # seconds, on a machine that has much else to do
DONE_WITHIN: Final = 30.0  # seconds
_POLL: Final = 0.003  # seconds

_AT_WORK = """
SELECT (SELECT count(*) FROM bus.outbox
         WHERE published_at IS NULL AND tenant_id = $1 AND routing_key NOT IN ('tenant.created', 'api_key.created'))
     + (SELECT count(*) FROM bus.lane_messages
         WHERE dead_at IS NULL AND lane NOT IN ('audit.events', 'notifier.webhooks'))
     + (SELECT count(*) FROM notifier.deliveries WHERE state IN ('queued', 'sending') AND tenant_id = $1)
"""
_FAILED = """
SELECT (SELECT count(*) FROM bus.lane_messages WHERE dead_at IS NOT NULL) + (SELECT count(*) FROM bus.dead_letters)
"""
_DUE = "SELECT count(*) FROM policy.timers WHERE tenant_id = $1 AND state = 'pending' AND due_at <= now()"


class NotQuiet(AssertionError):
    """Something goes on that should have come to its end, or was set aside as a dead letter."""


class Product:
    """Entered and left as a context manager; `do` runs a coroutine over there and waits for it."""

    def __init__(self, dsn: str, key_dir: Path) -> None:
        self._dsn = dsn
        self._key_dir = key_dir
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="product")
        self._exits = AsyncExitStack()
        self._url = ""
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._timers: Core | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.do(self._open(), within=STARTED_WITHIN)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def do(self, work: Coroutine[Any, Any, T], *, within: float = DONE_WITHIN) -> T:
        """The result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within)

    async def new_tenant(self) -> tuple[UUID, Helpdesk]:
        """A fresh sandbox and its backend, which the caller closes."""
        tenant_id = await create_tenant(self._dsn, name="Acme Helpdesk", is_sandbox=True)
        helpdesk = Helpdesk(self._url, await create_api_key(self._dsn, tenant_id, name="tests"))
        return tenant_id, await helpdesk.__aenter__()

    async def press(self, path: str, fields: Mapping[str, str]) -> int:
        """The button of a page behind a link, by a browser that knows nothing else: the status."""
        async with aiohttp.ClientSession(self._url) as browser, browser.post(path, data=dict(fields)) as pressed:
            return pressed.status

    async def settle(self, tenant_id: UUID) -> None:
        """Fire what is due and wait until nothing goes on any more. Raises `NotQuiet`."""
        if self._conn is None or self._timers is None:
            raise RuntimeError("the product is not open")
        end = monotonic() + DONE_WITHIN
        while True:
            at_work = await self._conn.fetchval(_AT_WORK, tenant_id)
            if not at_work and not await self._conn.fetchval(_DUE, tenant_id):
                break
            if monotonic() > end:
                raise NotQuiet(f"{at_work} messages are still under way")
            if not at_work:
                await fire_due_timers(self._timers.database, self._timers.relay, host_now())
            await asyncio.sleep(_POLL)
        if failed := await self._conn.fetchval(_FAILED):
            raise NotQuiet(f"{failed} messages failed")

    async def _open(self) -> None:
        no_simulator = {"sandbox_smtp_port": None}  # messages are kept for their reader, and that is enough here
        serving = await self._exits.enter_async_context(
            whole(self._dsn, self._key_dir, Mailbox(), notifier_settings=no_simulator, is_audited=False)
        )
        self._url = serving.url
        self._conn = await asyncpg.connect(self._dsn)
        self._exits.push_async_callback(self._conn.close)
        settings = load_settings(PolicySettings, database_url=self._dsn, key_dir=self._key_dir, database_pool=2)
        self._timers = await self._exits.enter_async_context(open_core(settings, name="policy", rings=()))

    def _end(self) -> None:
        try:
            self.do(self._exits.aclose(), within=STARTED_WITHIN)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
