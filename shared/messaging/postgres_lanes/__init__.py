"""The `Bus` over PostgreSQL: no broker beside the database, and the second route of requests where there is one.

Messages are rows that workers lease and delete (`messages`), requests and replies are rows of unlogged tables
(`requests`). LISTEN/NOTIFY says that something came (`listener`, `bell`); polling finds it anyway, a second later.
"""

from shared.messaging.postgres_lanes.bus import PostgresLanes

__all__ = ["PostgresLanes"]
