"""The PostgreSQL lanes as a transport under test."""

import datetime as dt
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict

from services.cli.embedded.postgres import Postgres
from shared.db.migrate import migrate
from shared.db.pool import Database
from shared.messaging.bus import Bus
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.topology import RETRY_DELAYS, Lane
from tests.support.transports import FAST, STUCK_WORKER

ROLE = "deskfactor_otp_worker"  # any service's will do: their rights to the lanes are the same
POLL = dt.timedelta(milliseconds=100)  # what comes by polling shall not make tests long
LEASE = dt.timedelta(seconds=60)
GRACE = dt.timedelta(seconds=25)


@asynccontextmanager
async def migrated_database(server: Postgres, name: str) -> AsyncIterator[str]:
    """A database of its own with the whole schema, as its address; dropped at the end."""
    server.create_database(name)
    try:
        await migrate(server.dsn(name))
        yield server.dsn(name)
    finally:
        server.drop_database(name)


@asynccontextmanager
async def lanes_bus(
    dsn: str,
    *lanes: Lane,
    name: str = "test",
    role: str = ROLE,
    retry_delays: Sequence[dt.timedelta] = RETRY_DELAYS,
    poll: dt.timedelta = POLL,
    lease: dt.timedelta = LEASE,
    grace: dt.timedelta = GRACE,
) -> AsyncIterator[PostgresLanes]:
    """A bus with connections of its own, as a process would have it."""
    async with (
        Database(dsn, role=role, name=name) as database,
        PostgresLanes(
            database, name=name, lanes=lanes, retry_delays=retry_delays, poll=poll, lease=lease, grace=grace
        ) as bus,
    ):
        yield bus


class PostgresTransport:
    """`PostgresLanes` on a private server."""

    name = "postgres"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def bus(self, *lanes: Lane, retry_delays: Sequence[dt.timedelta] = FAST) -> AbstractAsyncContextManager[Bus]:
        """See `Transport`."""
        return lanes_bus(self._dsn, *lanes, retry_delays=retry_delays)

    def unreachable(self, *lanes: Lane) -> AbstractAsyncContextManager[Bus]:
        """See `Transport`. Nobody listens on port 1."""
        return lanes_bus("postgresql://nobody@127.0.0.1:1/nothing", *lanes)

    def stuck_worker(self, lane: Lane) -> list[str]:
        """See `Transport`."""
        return [sys.executable, str(STUCK_WORKER), self.name, self._dsn, json.dumps(asdict(lane))]
