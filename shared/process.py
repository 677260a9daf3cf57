"""The skeleton of a process: open what every service needs, serve until SIGTERM, close in reverse."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog

from shared.crypto.keyring import KeyRing, KeyRingError, load_ring
from shared.db.pool import Database
from shared.http.health import Health, serve_health
from shared.messaging.bus import Bus
from shared.messaging.dead_letters import Parker
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.rabbitmq.bus import RabbitBus
from shared.messaging.relay import Relay
from shared.messaging.topology import LANES, Lane
from shared.observability.logging import configure_logging
from shared.settings import ConfigurationError, Settings, Transport, load_settings

log = structlog.get_logger()

DRAIN_TIMEOUT = 5.0  # seconds to publish what was committed last; what is left is swept by others
GARBAGE_AFTER = (
    20_000,
    20,
    20,
)  # objects, then rounds of each generation: a frame of requests is a few thousand objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What every service stands on."""

    name: str
    database: Database
    bus: Bus
    relay: Relay
    rings: Mapping[str, KeyRing]
    health: Health
    spawn: Callable[[Coroutine[Any, Any, None]], None]

    def ring(self, name: str) -> KeyRing:
        """A ring that the service asked for when it opened its core."""
        return self.rings[name]


@contextlib.asynccontextmanager
async def open_core(settings: Settings, *, name: str, rings: Sequence[str]) -> AsyncIterator[Core]:
    """Database, bus, relay and the rings of a service. Starts although the database or the broker is away."""
    loaded = {ring: load_ring(settings.key_dir, ring) for ring in rings}
    role = settings.database_role or f"deskfactor_{name}"
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            Database(settings.database_url.get_secret_value(), role=role, name=name, size=settings.database_pool)
        )
        bus: Bus = await stack.enter_async_context(open_bus(settings, database, name))
        relay, health = Relay(database, bus), Health(database, bus)
        spawn = await stack.enter_async_context(background_tasks(health.lose_part))
        spawn(relay.run())
        stack.push_async_callback(_leave, bus, relay)
        spawn(health.watch())
        await health.wait_known()
        if settings.health_port:
            await stack.enter_async_context(serve_health(health, settings.health_host, settings.health_port))
        own = [lane for lane in LANES if lane.name.startswith(f"{name}.") and not lane.is_ingress]
        await park_dead_letters(bus, database, own)
        try:
            yield Core(name=name, database=database, bus=bus, relay=relay, rings=loaded, health=health, spawn=spawn)
        finally:
            health.is_leaving = True


async def park_dead_letters(bus: Bus, database: Database, lanes: Sequence[Lane]) -> None:
    """Park what dies on the lanes that a service owns."""
    if lanes:
        await bus.consume_dead(lanes, Parker(database).receive)


async def _leave(bus: Bus, relay: Relay) -> None:
    """Before the links close: no more work, and what was committed goes out."""
    await bus.stop_consuming()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            await relay.drain()


@contextlib.asynccontextmanager
async def open_bus(settings: Settings, database: Database, name: str) -> AsyncIterator[Bus]:
    """The transport that the settings name; ``name`` is how it shows itself there."""
    match settings.bus:
        case Transport.RABBITMQ:
            async with RabbitBus([url.get_secret_value() for url in settings.amqp_urls], name=name) as rabbitmq:
                yield rabbitmq
        case Transport.POSTGRES:
            async with PostgresLanes(database, name=name) as lanes:
                yield lanes


@contextlib.asynccontextmanager
async def background_tasks(died: Callable[[], None]) -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Tasks that live as long as the block; one that dies is logged, and ``died`` is called."""
    tasks: set[asyncio.Task[None]] = set()

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background_task_died", task=task.get_name(), error=error)
            died()

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", None))
        tasks.add(task)
        task.add_done_callback(ended)

    try:
        yield spawn
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Serve = Callable[[Any], AbstractAsyncContextManager[object]]


def main(serve: Serve, kind: type[Settings], *, name: str) -> None:
    """The ``__main__`` of a service: settings, logging, the fast loop where it is there, run until a signal."""
    try:
        settings = load_settings(kind)
        configure_logging(settings.log_level, service=name, keeps_loggers=True)
        run_until_signal(lambda: serve(settings))
    except (ConfigurationError, KeyRingError) as error:
        sys.exit(f"deskfactor {name} cannot start:\n{error}")


def run_until_signal(open_service: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    """Run a service until SIGTERM or SIGINT, then leave in good order. Exit status 0."""
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(open_service))


async def _serve(open_service: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_service():
        _settle_memory()
        log.info("started")
        await stop.wait()
        log.info("stopping")
    log.info("stopped")


def _settle_memory() -> None:
    """What the start made stays: the collector need not look at it again, which took a sixth of a busy gateway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_AFTER)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - used where it is there
    except ImportError:
        return None
    return uvloop.new_event_loop
