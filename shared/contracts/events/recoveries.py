"""What happened to recoveries."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import RecoveryId


class RecoveryEvent(Event):
    """What all events of a recovery request say."""

    recovery_id: RecoveryId


class RecoveryRequested(RecoveryEvent):
    type = "recovery.requested"


class RecoveryWaiting(RecoveryEvent):
    type = "recovery.waiting"

    ready_at: dt.datetime


class RecoveryCancelled(RecoveryEvent):
    type = "recovery.cancelled"

    reason: str


class RecoveryExecuted(RecoveryEvent):
    type = "recovery.executed"

    revoked_factors: int


class RecoveryDenied(RecoveryEvent):
    type = "recovery.denied"

    reason: str


class RecoveryExpired(RecoveryEvent):
    type = "recovery.expired"


class RecoverySuperseded(RecoveryEvent):
    type = "recovery.superseded"


class RecoveryAttack(RecoveryEvent):
    """Somebody who is not the owner asked for it: the owner said "this was not me"."""

    type = "recovery.attack"
