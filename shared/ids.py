"""Identifiers: UUIDv7 (RFC 9562, 5.7), so that ids sort by time and tables are partitioned by ranges of them."""

import re
from uuid import UUID

from uuid_utils.compat import uuid7

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Of the many forms in which a UUID may be written, the one in which we write it."""


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then a monotonic, random tail."""
    return uuid7()
