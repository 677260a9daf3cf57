"""Files that only their owner reads, from the moment that they are there."""

import os


def for_the_owner(path: str, flags: int) -> int:
    """An `opener` of `open`: who else is on the machine may not read what is made."""
    return os.open(path, flags, mode=0o600)
