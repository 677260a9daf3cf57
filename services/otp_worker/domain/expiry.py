"""What ended by time."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.types import ChallengeId, FactorId, FactorType, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredChallenge:
    """A challenge that has just ended; `at` is its tenant's now, `waited` since when it was over."""

    tenant_id: UUID
    account_id: str
    challenge_id: ChallengeId
    purpose: Purpose
    at: dt.datetime
    waited: dt.timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredFactor:
    """A pending factor that has just ended; `at` is its tenant's now, `waited` since when it was over."""

    tenant_id: UUID
    account_id: str
    factor_id: FactorId
    factor_type: FactorType
    at: dt.datetime
    waited: dt.timedelta
