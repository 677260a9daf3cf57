"""What is done every so often; any number of replicas may do it."""

import datetime as dt

from services.otp_worker.handlers.time_passing import expire, make_room, mind_clock, purge
from shared.db.clock_watch import WATCH_PERIOD
from shared.schedule import Every

SCHEDULE = (
    Every(dt.timedelta(seconds=5), expire),
    Every(WATCH_PERIOD, mind_clock),
    Every(dt.timedelta(hours=1), purge),
    Every(dt.timedelta(hours=1), make_room),
)
