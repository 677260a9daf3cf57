"""The host's clock, for deadlines and log lines only: decisions get ``now`` from the database."""

import datetime as dt
import time


def host_now() -> dt.datetime:
    """Wall clock of this host, aware, UTC."""
    return dt.datetime.now(dt.UTC)


def monotonic() -> float:
    """Seconds of a clock that never goes back; for measuring durations."""
    return time.monotonic()
