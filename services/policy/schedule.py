"""What policy does by itself: timers in processes of their own, and upkeep beside the consumers."""

import asyncio
import datetime as dt

import structlog

from services.policy.handlers.timers import (
    AT_MOST,
    LONGEST_SLEEP,
    SLACK,
    fire_due_timers,
    pause_until_next,
    purge_timers,
)
from shared.clock import host_now
from shared.db.clock_watch import WATCH_PERIOD, watch_clock
from shared.db.connection import StoreUnavailable
from shared.db.low_water import LowWater
from shared.db.pool import Database
from shared.messaging.relay import Relay
from shared.schedule import Every

log = structlog.get_logger()

SCHEDULE = (Every(dt.timedelta(hours=1), purge_timers),)


async def _watch_clock(database: Database) -> bool:
    await watch_clock(database)
    return False


BESIDE_TIMERS = (Every(WATCH_PERIOD, _watch_clock),)
"""What a process that fires timers does every so often: they are due by two clocks."""


async def run_timers(database: Database, relay: Relay) -> None:
    """Fire timers until cancelled: at once while there are many, else asleep until the next is due."""
    low_water = LowWater(slack=SLACK)
    while True:
        pause = LONGEST_SLEEP
        try:
            while await fire_due_timers(database, relay, host_now(), low_water) == AT_MOST:
                await relay.catch_up(most=AT_MOST)  # what finds no room there would wait for the sweep
            pause = await pause_until_next(database, host_now(), low_water)
        except StoreUnavailable:
            log.warning("store_unavailable", duty="run_timers")
        except Exception as error:  # noqa: BLE001 - the rows are still there, and come again
            log.error("duty_failed", duty="run_timers", error=error)
        await asyncio.sleep(pause)
