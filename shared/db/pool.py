"""A bounded pool of one database role's connections, and the transaction that names its tenants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection, Iterator
from typing import TYPE_CHECKING, Self
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from shared.clock import monotonic
from shared.db.connection import Connection, NotCommitted, StoreUnavailable, store_errors

if TYPE_CHECKING:
    from types import TracebackType

ACQUIRE_TIMEOUT = 2.0  # seconds to wait for a free connection
MOST_WAITING = 1_000  # for one: a second of a busy pool; more would come too late, and are refused at once
COMMAND_TIMEOUT = 3.0  # seconds a statement may take: `asyncio.wait_for` does not bound a query of this driver
CONNECT_TIMEOUT = 2.0  # seconds
CLOSE_TIMEOUT = 5.0  # seconds; then what is leaked is cut
PLAN_LIFETIME = 5.0  # seconds; a plan is kept with its connection, and the tables grow
WORK_QUEUES = "on"

_SERVER_SETTINGS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "15s",  # a frozen worker's locks are freed
    "timezone": "UTC",
    # A plan is kept with its connection, and one made while a table was empty would read the whole table once it is
    # full (200,000 answers: 70 ms a look-up). All that services ask has an index; these make it the only plan.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",  # planned once: planning a short list took longer than what was asked
    "jit": "off",  # before PostgreSQL 18 a plan without an alternative looks so dear that it would be compiled
}


class Database:
    """One role's connections. Every transaction names the tenants that it may see; without a name it sees none."""

    def __init__(
        self, dsn: str, *, role: str | None, name: str, size: int = 10, plan_lifetime: float = PLAN_LIFETIME
    ) -> None:
        """``role``: the database role to act as (``SET ROLE``); ``name``: shown in ``pg_stat_activity``;
        ``plan_lifetime``: seconds.
        """
        self._dsn = dsn
        self._settings = _SERVER_SETTINGS | {"application_name": name} | ({"role": role} if role else {})
        self._size = size
        self._plan_lifetime = plan_lifetime
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._probing: asyncpg.Connection[asyncpg.Record] | None = None
        self._planned_at: dict[int, float] = {}  # by the process that serves the connection
        self._waiting = 0  # for a connection
        self._seats = asyncio.Semaphore(max(1, size - 1))  # of who asks; the last connection is for our own work

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
    async def connection(self, *, is_own_work: bool = True) -> AsyncIterator[Connection]:
        """A connection for single statements, each its own transaction. Raises `StoreUnavailable`.

        ``is_own_work``: see `transaction`.
        """
        with store_errors():
            pool = self._pool or await self._open()
            connection = await self._acquire(pool, is_own_work=is_own_work)
            try:
                yield connection
            except asyncpg.ReadOnlySQLTransactionError:
                await pool.expire_connections()  # after a switch-over: these all point at yesterday's primary
                raise
            finally:
                self._leave(is_own_work=is_own_work)
                await pool.release(connection)

    @contextlib.asynccontextmanager
    async def transaction(
        self, tenants: Collection[UUID] = (), *, work_queues: bool = False, is_own_work: bool = False
    ) -> AsyncIterator[Connection]:
        """``BEGIN``, name the tenants, ``COMMIT``; ``ROLLBACK`` on any exception.

        ``work_queues``: also see the rows of every tenant in the tables that are queues of work (due timers, leased
        deliveries, unpublished messages). That is a process's own work, of which there is little, as on its lanes
        (``is_own_work``): one connection is left to it, and who else asks for a tenant is refused at once when too many
        wait. Raises `StoreUnavailable`, also when the outcome of the commit is not known, and `NotCommitted` when the
        block swallowed an error of the database.
        """
        if self._waiting >= MOST_WAITING and not (work_queues or is_own_work):
            raise StoreUnavailable("too many wait for a connection")
        visible = "{" + ",".join(str(UUID(bytes=tenant.bytes)) for tenant in tenants) + "}"
        begin = f"BEGIN; SET LOCAL deskfactor.tenants = '{visible}'"
        if work_queues:
            begin += f"; SET LOCAL deskfactor.work_queues = '{WORK_QUEUES}'"
        async with self.connection(is_own_work=work_queues or is_own_work) as connection:
            try:
                await connection.execute(begin)  # one round trip
                yield connection
                done = await connection.execute("COMMIT")
            except BaseException:  # also of a task that is cancelled while it begins or commits
                if not connection.is_closed():
                    with contextlib.suppress(*_LOST):
                        await connection.execute("ROLLBACK")
                raise
            if done != "COMMIT":
                raise NotCommitted

    async def _acquire(
        self, pool: "asyncpg.Pool[asyncpg.Record]", *, is_own_work: bool
    ) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        """However many ask, what the process does by itself waits for few of them: picking up the answers that others
        wait for must not wait behind all of these.
        """
        self._waiting += 1
        try:
            if not is_own_work:
                await (self._wait_for_seat() if self._seats.locked() else self._seats.acquire())
            try:
                with _nobody_lets_us_in():
                    return await pool.acquire(timeout=ACQUIRE_TIMEOUT)
            except BaseException:
                self._leave(is_own_work=is_own_work)
                raise
        finally:
            self._waiting -= 1

    async def _wait_for_seat(self) -> None:
        async with asyncio.timeout(ACQUIRE_TIMEOUT):
            await self._seats.acquire()

    def _leave(self, *, is_own_work: bool) -> None:
        if not is_own_work:
            self._seats.release()

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
                    init=self._introduce,
                    setup=self._plan_anew,
                    reset=_clean,
                )
        return self._pool

    async def _introduce(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await _speak_json(connection)
        served_by = connection.get_server_pid()
        self._planned_at[served_by] = monotonic()

        def forget(_: Connection) -> None:
            self._planned_at.pop(served_by, None)

        connection.add_termination_listener(forget)

    async def _plan_anew(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        """Plan again now and then: what was right among ten rows reads all of ten thousand."""
        served_by, now = connection.get_server_pid(), monotonic()
        if now - self._planned_at[served_by] >= self._plan_lifetime:
            await connection.execute("DISCARD PLANS")
            self._planned_at[served_by] = now

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        with _nobody_lets_us_in():
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                self._dsn, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings=self._settings
            )
        await _speak_json(connection)
        return connection


_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def _speak_json(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=from_json, schema="pg_catalog")


async def _clean(connection: Connection) -> None:
    """Settings are made with ``SET LOCAL`` only, so there is a round trip to save, unless a rollback was cut short:
    whoever came next would act for the tenants of that transaction.
    """
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


@contextlib.contextmanager
def _nobody_lets_us_in() -> Iterator[None]:
    """While connecting every refusal is an outage: the role or database is not there yet, a password is being changed.

    Taken for a fault of the message at hand it would use up its attempts.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(type(error).__name__) from error


async def wait_until_up(database: Database, *, every: float = 0.25) -> None:
    """Poll until the database answers; for the start of a service."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await database.ping()
            return
        await asyncio.sleep(every)
