"""Answers about logins and challenges."""

import datetime as dt
from typing import Literal

from shared.contracts.types import (
    ChallengeId,
    ChallengeState,
    Decision,
    DeviceId,
    FactorId,
    FactorType,
    Method,
    Purpose,
    RecoveryId,
    Strength,
    Value,
)


class OfferedFactor(Value):
    """A factor as a challenge offers it. `factor_id` None: the account's verified mailbox."""

    factor_id: FactorId | None
    type: FactorType
    name: str
    destination: str | None = None  # masked
    next_send_at: dt.datetime | None = None
    strength: Strength | None = None
    advice: str | None = None  # where another type is the better choice


class ChallengeView(Value):
    """A challenge as its tenant sees it."""

    id: ChallengeId
    account_id: str
    purpose: Purpose
    state: ChallengeState
    factors: tuple[OfferedFactor, ...]
    has_backup_codes: bool = False
    has_recovery_key: bool = False
    attempts_left: int
    sends_left: int
    next_send_at: dt.datetime | None = None
    expires_at: dt.datetime
    sent_to: FactorId | None = None  # the factor whose code is on its way
    trusted_device_days: int = 0  # for so long a browser may be trusted by passing it; 0: no trust is to be had here


class WaitingRecovery(Value):
    """A recovery that turns the second factor off at `ready_at`, unless somebody stops it."""

    id: RecoveryId
    ready_at: dt.datetime


class LoginAnswer(Value):
    """May the account in. `notice`: ``no_mailbox``, an enrolment needs a mailbox and the account has none that counts;
    ``recovery_waiting``, ask who is let in "was this you?" of `recovery`, and cancel it where it was not.
    """

    decision: Decision
    reason: str
    challenge: ChallengeView | None = None
    deadline: dt.datetime | None = None
    notice: str | None = None
    recovery: WaitingRecovery | None = None
    assertion: str | None = None  # JWT, when a trusted device stood in for the code


class TrustedDeviceToken(Value):
    """A new trust: the token is shown once."""

    id: DeviceId
    token: str
    expires_at: dt.datetime


class VerifyAnswer(Value):
    """The code was right."""

    status: Literal["verified"] = "verified"
    method: Method
    amr: tuple[str, ...]
    assertion: str | None = None  # JWT, EdDSA, 60 s; None: a mailbox was proved, which is no login
    trusted_device: TrustedDeviceToken | None = None
    backup_codes_left: int | None = None  # None: the account has none of them
    recovery_key: str | None = None  # the new one, shown this once: the one that was typed is used up
    guidance: str | None = None  # how to keep it
    leads_to: Literal["security"] | None = None  # a code stood in for a factor: where a new one is set up
    recovery_id: RecoveryId | None = None  # whose mailbox was proved
    ready_at: dt.datetime | None = None  # when that recovery turns the second factor off; None: not known yet


class Renewed(Value):
    """Whether the challenge can be redeemed by this browser's code; False: it never could, or it is over."""

    is_redeemable: bool


class RedeemAnswer(Value):
    """The challenge was passed on a hosted page."""

    challenge_id: ChallengeId
    account_id: str
    purpose: Purpose
    method: Method
    amr: tuple[str, ...]
    assertion: str  # JWT, EdDSA, 60 s
    trusted_device: TrustedDeviceToken | None = None  # where the person asked for it, and may
    leads_to: Literal["security"] | None = None  # a code stood in for a factor: where a new one is set up
