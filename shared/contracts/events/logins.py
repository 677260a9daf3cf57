"""What happened at logins and their challenges."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import ChallengeId, Decision, FactorId, Method, Purpose, RecoveryId


class LoginDecided(Event):
    type = "login.decided"

    purpose: Purpose
    decision: Decision
    reason: str
    challenge_id: ChallengeId | None = None
    expires_at: dt.datetime | None = None
    deadline: dt.datetime | None = None
    ip: str | None = None


class ChallengeEvent(Event):
    """What all events of a challenge say."""

    challenge_id: ChallengeId
    purpose: Purpose


class ChallengeIssued(ChallengeEvent):
    type = "challenge.issued"

    expires_at: dt.datetime


class ChallengeVerified(ChallengeEvent):
    type = "challenge.verified"

    method: Method
    factor_id: FactorId | None = None
    recovery_id: RecoveryId | None = None


class ChallengeRejected(ChallengeEvent):
    """A code was judged wrong, or was not judged because of a throttle."""

    type = "challenge.rejected"

    reason: str
    factor_id: FactorId | None = None
    attempts_left: int


class ChallengeExhausted(ChallengeEvent):
    type = "challenge.exhausted"


class ChallengeExpired(ChallengeEvent):
    type = "challenge.expired"


class ChallengeCancelled(ChallengeEvent):
    type = "challenge.cancelled"

    reason: str


class ChallengeRedeemed(ChallengeEvent):
    type = "challenge.redeemed"
