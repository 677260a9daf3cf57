"""Identifiers: UUIDv7 (RFC 9562, 5.7), so that ids sort by time and tables are partitioned by ranges of them."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then a monotonic, random tail."""
    return uuid7()
