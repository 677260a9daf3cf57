"""A bounded pool of one database role's connections, and the transaction that names its tenants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, Self
from uuid import UUID

import asyncpg

from shared.db.connection import Connection, StoreUnavailable, store_errors

if TYPE_CHECKING:
    from types import TracebackType

ACQUIRE_TIMEOUT = 2.0  # seconds to wait for a free connection
COMMAND_TIMEOUT = 3.0  # seconds a statement may take: `asyncio.wait_for` does not bound a query of this driver
CONNECT_TIMEOUT = 2.0  # seconds
CLOSE_TIMEOUT = 5.0  # seconds; then what is leaked is cut
WORK_QUEUES = "on"

_SERVER_SETTINGS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "15s",  # a frozen worker's locks are freed
    "timezone": "UTC",
}


class Database:
    """One role's connections. Every transaction names the tenants that it may see; without a name it sees none."""

    def __init__(self, dsn: str, *, role: str | None, name: str, size: int = 10) -> None:
        """``role``: the database role to act as (``SET ROLE``); ``name``: shown in ``pg_stat_activity``."""
        self._dsn = dsn
        self._settings = _SERVER_SETTINGS | {"application_name": name} | ({"role": role} if role else {})
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._probing: asyncpg.Connection[asyncpg.Record] | None = None

    async def __aenter__(self) -> Self:
        """Does not connect: a service starts before its database, and waits for it."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: "TracebackType | None"
    ) -> None:
        if self._probing is not None:
            self._probing.terminate()
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements, each its own transaction. Raises `StoreUnavailable`."""
        with store_errors():
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
                try:
                    yield connection
                except asyncpg.ReadOnlySQLTransactionError:
                    await pool.expire_connections()  # after a switch-over: these all point at yesterday's primary
                    raise

    @contextlib.asynccontextmanager
    async def transaction(
        self, tenants: Collection[UUID] = (), *, work_queues: bool = False
    ) -> AsyncIterator[Connection]:
        """``BEGIN``, name the tenants, ``COMMIT``; ``ROLLBACK`` on any exception.

        ``work_queues``: also see the rows of every tenant in the tables that are queues of work (due timers, leased
        deliveries, unpublished messages). Raises `StoreUnavailable`, also when the outcome of the commit is not known.
        """
        visible = "{" + ",".join(str(UUID(bytes=tenant.bytes)) for tenant in tenants) + "}"
        begin = f"BEGIN; SET LOCAL deskfactor.tenants = '{visible}'"
        if work_queues:
            begin += f"; SET LOCAL deskfactor.work_queues = '{WORK_QUEUES}'"
        async with self.connection() as connection:
            await connection.execute(begin)  # one round trip
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    with contextlib.suppress(*_LOST):
                        await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    async def dedicated(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of its own, outside the pool; the caller closes it. Raises `StoreUnavailable`."""
        with store_errors():
            return await self._connect()

    async def ping(self) -> None:
        """One trivial round trip. Raises `StoreUnavailable`."""
        async with self.connection() as connection:
            await connection.execute("SELECT")

    async def probe(self) -> None:
        """A round trip on a connection of its own, so that a pool in full use is not taken for a dead database.

        One caller at a time. Raises `StoreUnavailable`.
        """
        with store_errors():
            self._probing = self._probing or await self._connect()
            try:
                await self._probing.execute("SELECT")
            except BaseException:
                self._probing.terminate()
                self._probing = None
                raise

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._size,
                    timeout=CONNECT_TIMEOUT,
                    command_timeout=COMMAND_TIMEOUT,
                    server_settings=self._settings,
                    init=_speak_json,
                    reset=_keep,
                )
        return self._pool

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            self._dsn, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings=self._settings
        )
        await _speak_json(connection)
        return connection


_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def _speak_json(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _keep(_connection: Connection) -> None:
    """Nothing to reset: settings are made with ``SET LOCAL`` only. Saves a round trip a transaction."""


async def wait_until_up(database: Database, *, every: float = 0.25) -> None:
    """Poll until the database answers; for the start of a service."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await database.ping()
            return
        await asyncio.sleep(every)
