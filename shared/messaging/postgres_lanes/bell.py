"""Rings for lanes in which messages were stored."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.db.pool import Database
from shared.messaging.postgres_lanes.listener import lane_channel

if TYPE_CHECKING:
    from shared.db.connection import Connection


async def notify(conn: "Connection", channels: Iterable[str]) -> None:
    """Tell everybody who listens."""
    await conn.execute("SELECT pg_notify(channel, '') FROM unnest($1::text[]) AS channel", list(channels))


class Bell:
    """Gathers lanes while a ring is under way and rings for all of them at once.

    NOTIFY holds one lock of the whole server until its transaction has ended. In the statement that stores messages it
    would be held while the disk, or a synchronous standby, is waited for: one publish at a time for all processes.
    Alone in a transaction that writes nothing it is held for microseconds. A ring that a crash swallows costs a poll.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: set[str] = set()
        self._rung = asyncio.Event()

    def ring(self, lanes: Iterable[str]) -> None:
        """Ring soon; returns at once."""
        self._pending.update(lanes)
        self._rung.set()

    async def step(self) -> None:
        """Wait for a ring and pass it on. A failed one is forgotten: the workers poll."""
        await self._rung.wait()
        self._rung.clear()
        lanes, self._pending = self._pending, set()
        async with self._database.connection() as conn:
            await notify(conn, map(lane_channel, lanes))
