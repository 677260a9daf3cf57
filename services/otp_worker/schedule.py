"""What is done every so often; any number of replicas may do it."""

import datetime as dt

from services.otp_worker.handlers.time_passing import expire, make_room, purge
from shared.schedule import Every

SCHEDULE = (
    Every(dt.timedelta(seconds=5), expire),
    Every(dt.timedelta(hours=1), purge),
    Every(dt.timedelta(hours=1), make_room),
)
