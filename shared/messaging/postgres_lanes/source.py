"""What a puller draws from, and on which terms."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.db.pool import Database
from shared.messaging.bus import Disposition, Incoming
from shared.messaging.postgres_lanes.owner import Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which one bus leases messages."""

    database: Database
    owner: Owner
    lease: dt.timedelta
    retry_delays: tuple[dt.timedelta, ...]

    def delay_after(self, attempt: int) -> dt.timedelta | None:
        """How long a message waits that failed after `attempt` failures before; None past the end of the ladder."""
        return self.retry_delays[attempt] if attempt < len(self.retry_delays) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that this process works on. `id` is of its row, `claim` tells this claim of the row from later ones."""

    id: UUID
    claim: int
    incoming: Incoming


class Source(Protocol):
    """One kind of rows of one lane. Each method is one statement; all raise `StoreUnavailable`."""

    async def claim(self, at_most: int) -> list[Claimed]:
        """Lease messages that are due, oldest first."""
        ...

    async def renew(self, held: Sequence[Claimed]) -> None:
        """Prolong leases: whoever is slow is not dead."""
        ...

    async def settle(self, batch: Sequence[Claimed], dispositions: Sequence[Disposition]) -> None:
        """Do with the messages what the handlers said. Done twice it has the effect of once."""
        ...
