"""Identifiers: UUIDv7 (RFC 9562, 5.7), so that ids sort by time and tables are partitioned by ranges of them."""

import datetime as dt
from uuid import UUID

from uuid_utils.compat import uuid7

_RANDOM_BITS = 80
_VERSION_7 = 0x7 << 76


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then a monotonic, random tail."""
    return uuid7()


def id_floor(at: dt.datetime) -> UUID:
    """The smallest UUIDv7 that could have been made at ``at`` (millisecond precision)."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=(milliseconds << _RANDOM_BITS) | _VERSION_7)
