"""Something to be said later."""

import datetime as dt
import enum
from dataclasses import dataclass

from shared.contracts.envelope import Command


class IfPending(enum.StrEnum):
    """What happens to a timer of the same kind and subject that waits already."""

    KEEP = "keep"  # asked again, it neither restarts nor shortens
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A command to say at an instant of tenant time; one pending at a time for each kind of command and subject."""

    command: Command
    account_id: str | None
    subject: str
    at: dt.datetime
