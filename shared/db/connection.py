"""The type of a connection, so that nobody else needs to name the driver, and what its errors mean."""

import contextlib
from collections.abc import Iterator
from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A quoted alias: the driver's classes are generic in its type stubs only."""

Record = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError
WouldDeadlock = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # connections, disk or memory used up
    asyncpg.PostgresIOError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
    OSError,
    TimeoutError,
)


class StoreUnavailable(Exception):
    """PostgreSQL does not answer, or not in time. Whether a commit under way took place is not known."""


class NotCommitted(Exception):
    """The transaction had failed before its COMMIT, which PostgreSQL then answers by rolling back, without an error."""


@contextlib.contextmanager
def store_errors() -> Iterator[None]:
    """Turn the many ways in which a database can be away into `StoreUnavailable`."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(type(error).__name__) from error
