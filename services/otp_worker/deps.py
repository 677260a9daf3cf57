"""What handlers and duties may use."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.contracts.types import ChallengeId, Method, Purpose
from shared.crypto.data_keys import MasterKey
from shared.crypto.keyring import KeyRing
from shared.db.low_water import LowWater
from shared.db.pool import Database
from shared.messaging.relay import Relay


class Assertions(Protocol):
    """Signs that an account passed a challenge."""

    def sign(
        self,
        *,
        tenant_id: UUID,
        account_id: str,
        challenge_id: ChallengeId | None,
        purpose: Purpose,
        method: Method,
        at: dt.datetime,
    ) -> str:
        """A JWT; ``at`` is system time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Rings by what they do here; `database`, `relay` and `low_water` are for duties only. `low_water` is of `expire`;
    None: it looks at everything each time.
    """

    database: Database
    relay: Relay
    master_key: MasterKey
    digests: KeyRing  # codes
    typed: KeyRing  # opens what a person typed
    notifier: KeyRing  # seals codes to the notifier
    assertions: Assertions
    public_host: str  # the site a code is typed on, for a tenant that names none
    low_water: LowWater | None = None
