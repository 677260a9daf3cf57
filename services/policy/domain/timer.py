"""Something to be said later."""

import datetime as dt
from dataclasses import dataclass

from shared.contracts.envelope import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A command to say at an instant of tenant time; one pending at a time for each kind of command and subject."""

    command: Command
    account_id: str | None
    subject: str
    at: dt.datetime
