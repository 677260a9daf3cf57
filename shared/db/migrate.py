"""The migrations runner: plain SQL files, forward only, one transaction each; many processes may start at once.

Services work meanwhile. Who waits for a table is waited for by all that come to it later, readers, too; so a file that
finds one in somebody's hands (a dump, a session that was forgotten) gives up soon, lets the others by, and comes again.
"""

import asyncio
import functools
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
import structlog

from shared.clock import monotonic

log = structlog.get_logger()

_LOCK = 0x_DE5F_AC70  # any number, the same for everybody
_POLL = (
    0.2  # seconds; polled, because a waiting pg_advisory_lock holds a snapshot that CREATE INDEX CONCURRENTLY awaits
)
_STATEMENT_TIMEOUT = 600.0  # seconds
_LOCK_TIMEOUT = 500  # milliseconds that a file waits for each lock, and others behind it: less than a login has
_PAUSE = 2.0  # seconds until the next try: four fifths of the time belong to the others
_SAID_EVERY = 15  # tries
PATIENCE = 600.0  # seconds of tries; then somebody has to look who holds the table
_TAKEN = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


class MigrationError(Exception):
    """The database and the files do not belong together; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``NNNN_name.sql``."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text as it is; an applied file is never edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All files in order."""
    folder = files("shared.db") / "migrations"
    return [
        Migration(entry.name.removesuffix(".sql"), entry.read_text())
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    ]


async def migrate(dsn: str, *, patience: float = PATIENCE) -> list[str]:
    """Apply what is missing, as the user of ``dsn``, who may create roles and schemas; returns the names applied.

    ``patience``: seconds for which a file tries to get a table that somebody holds. Raises `MigrationError`; what was
    applied until then stays.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=10,
        command_timeout=_STATEMENT_TIMEOUT,
        server_settings={"lock_timeout": f"{_LOCK_TIMEOUT}ms", "application_name": "deskfactor migrate"},
    )
    try:
        async with _alone(connection):
            applied = await _applied(connection)
            todo = _missing(applied, migrations())
            for migration in todo:
                await _when_free(migration.name, functools.partial(_apply, connection, migration), patience)
            if todo:
                make_room = functools.partial(connection.execute, "SELECT bus.maintain_partitions()")
                await _when_free("maintain_partitions", make_room, patience)
            return [migration.name for migration in todo]
    finally:
        await connection.close()


async def pending(dsn: str) -> list[str]:
    """Names of the files that have not been applied."""
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=10)
    try:
        return [migration.name for migration in _missing(await _applied(connection), migrations())]
    finally:
        await connection.close()


@asynccontextmanager
async def _alone(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - another process
        await asyncio.sleep(_POLL)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    if await connection.fetchval("SELECT to_regclass('public.deskfactor_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT name, checksum FROM public.deskfactor_migrations")
    return {row["name"]: row["checksum"] for row in rows}


def _missing(applied: dict[str, str], known: list[Migration]) -> list[Migration]:
    changed = [each.name for each in known if applied.get(each.name, each.checksum) != each.checksum]
    unknown = sorted(applied.keys() - {each.name for each in known})
    if changed:
        raise MigrationError(f"{', '.join(changed)}: edited after it was applied; put the file back and add a new one")
    if unknown:
        raise MigrationError(f"{', '.join(unknown)}: applied by a newer version; run that version")
    return [each for each in known if each.name not in applied]


async def _when_free(what: str, step: Callable[[], Awaitable[object]], patience: float) -> None:
    """Take a step that leaves nothing behind where it fails, until it gets the locks that it needs."""
    give_up_at = monotonic() + patience
    tries = 0
    while True:
        try:
            await step()
        except _TAKEN as error:
            if monotonic() >= give_up_at:
                raise MigrationError(
                    f"{what}: {error}; a transaction that stays open holds a table that it needs: see pg_stat_activity"
                ) from error
        else:
            return
        if tries % _SAID_EVERY == 0:
            log.warning("migration_waits", migration=what)
        tries += 1
        await asyncio.sleep(_PAUSE)


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS public.deskfactor_migrations (
              name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        try:
            await connection.execute(migration.sql)
        except _TAKEN:
            raise
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.name}: {error}") from error
        await connection.execute("RESET ROLE")
        await connection.execute(
            "INSERT INTO public.deskfactor_migrations (name, checksum) VALUES ($1, $2)",
            migration.name,
            migration.checksum,
        )
