"""Clears up after processes that died, this one's predecessor among them."""

import asyncio
import datetime as dt

import structlog

from shared.db.low_water import LowWater
from shared.db.pool import Database
from shared.messaging.postgres_lanes.owner import Owner

log = structlog.get_logger()

_SWEEP_EVERY = 5  # steps between two looks for requests and replies that nobody waits for
_SLACK = dt.timedelta(minutes=2)  # longer than anybody waits, and than the clocks of askers are apart


class Janitor:
    """Every process has one; each step is right whoever does it, and however many do it at once."""

    def __init__(self, database: Database, owner: Owner, *, every: float) -> None:
        """`every`: seconds within which a dead process's messages go to another one."""
        self._database = database
        self._owner = owner
        self._every = every
        self._steps = 0
        self._low_water = LowWater(slack=_SLACK)

    async def step(self) -> None:
        """Give back what the dead held; now and then sweep."""
        await asyncio.sleep(self._every)
        async with self._database.connection() as conn:
            found_dead = await conn.fetchval("SELECT bus.release_the_dead($1)", self._owner.number)
        if found_dead:
            log.warning("lane_owners_died", count=found_dead)
        self._steps += 1
        if self._steps % _SWEEP_EVERY == 0:
            async with self._database.connection() as conn:
                await conn.execute("SELECT bus.sweep_requests_since($1)", self._low_water.reach())
            self._low_water.seen()

    async def leave(self) -> None:
        """Give back what we hold, at the end of this process."""
        async with self._database.connection() as conn:
            await conn.execute("SELECT bus.release_leases($1, false)", self._owner.number)
