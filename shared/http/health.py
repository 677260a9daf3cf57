"""``/healthz`` (the process is whole), ``/readyz`` (it can do its work), ``/metrics`` (Prometheus)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.messaging.bus import Bus
from shared.observability.metrics import DEPENDENCY_UP

log = structlog.get_logger()

PROBE_EVERY = 0.5  # seconds
PROBE_TIMEOUT = 0.8  # seconds


class Health:
    """What is known of the process's dependencies, without asking them anew."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self.is_database_up = False
        self.is_leaving = False
        self.is_whole = True
        self._is_known = asyncio.Event()

    @property
    def is_bus_up(self) -> bool:
        """As the bus itself knows."""
        return self._bus.is_up()

    @property
    def is_ready(self) -> bool:
        """Whether work can be done here now."""
        return self.is_whole and self.is_database_up and self.is_bus_up and self.is_consuming and not self.is_leaving

    @property
    def is_consuming(self) -> bool:
        """Whether every lane has its workers; as the bus itself knows."""
        return self._bus.is_consuming()

    def lose_part(self) -> None:
        """A task that should run for ever has ended: whoever watches the process starts it anew."""
        self.is_whole = False

    async def wait_known(self) -> None:
        """Wait until the database was probed for the first time, or did not answer within `PROBE_TIMEOUT`."""
        await self._is_known.wait()

    async def watch(self) -> None:
        """Probe the database until cancelled: a dependency known to be down is answered for at once."""
        while True:
            await self._probe()
            await asyncio.sleep(PROBE_EVERY)

    async def _probe(self) -> None:
        """No answer in time counts at once; the probe itself goes on until its own timeouts end it.

        `asyncio.timeout` would wait for it too: a query on a frozen connection does not end when it is cancelled.
        """
        ping = asyncio.create_task(self._database.probe())
        try:
            done, _ = await asyncio.wait({ping}, timeout=PROBE_TIMEOUT)
            if not done:
                self._know(is_database_up=False, reason="no answer in time")
            await ping
            self._know(is_database_up=True)
        except StoreUnavailable as error:
            self._know(is_database_up=False, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a watch that ends would go on saying that all is well
            self._know(is_database_up=False, reason=type(error).__name__)
        finally:
            ping.cancel()

    def _know(self, *, is_database_up: bool, reason: str | None = None) -> None:
        if is_database_up != self.is_database_up or not self._is_known.is_set():
            tell = log.info if is_database_up else log.warning
            tell("database_up" if is_database_up else "database_down", reason=reason)
        self.is_database_up = is_database_up
        self._is_known.set()
        DEPENDENCY_UP.labels(dependency="database").set(self.is_database_up)
        DEPENDENCY_UP.labels(dependency="bus").set(self.is_bus_up)


HEALTH = web.AppKey("health", Health)


async def healthz(request: web.Request) -> web.Response:
    """200 when the event loop turns and no part is missing; with 503 only a new start helps."""
    if not request.app[HEALTH].is_whole:
        return web.json_response({"status": "broken"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when work can be done, else 503 and what is missing."""
    health = request.app[HEALTH]
    status = HTTPStatus.OK if health.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    state = {
        "database": health.is_database_up,
        "bus": health.is_bus_up,
        "consuming": health.is_consuming,
        "leaving": health.is_leaving,
    }
    return web.json_response({"status": "ready" if health.is_ready else "not ready"} | state, status=status)


async def metrics(_request: web.Request) -> web.Response:
    """The process's metrics in Prometheus' text format."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@contextlib.asynccontextmanager
async def serve_health(health: Health, host: str, port: int) -> AsyncIterator[None]:
    """The three endpoints of a worker, on a port of its own."""
    app = web.Application()
    app[HEALTH] = health
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
