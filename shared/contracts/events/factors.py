"""What happened to factors, backup codes and trusted devices."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import AccountId, DeviceId, FactorId, FactorType, Method


class FactorEvent(Event):
    """What all events of a factor say."""

    factor_id: FactorId
    factor_type: FactorType


class FactorEnrolled(FactorEvent):
    """A pending factor was made."""

    type = "factor.enrolled"

    reason: str | None = None  # of the admin who set it up
    approver: AccountId | None = None


class FactorConfirmed(FactorEvent):
    type = "factor.confirmed"

    is_first: bool
    is_imported: bool = False  # taken over from another system, where it was proved


class FactorExpired(FactorEvent):
    type = "factor.expired"


class FactorRevoked(FactorEvent):
    type = "factor.revoked"

    reason: str
    is_last: bool


class FactorSuspended(FactorEvent):
    type = "factor.suspended"

    reason: str


class BackupCodesGenerated(Event):
    """New ones are good from now on: ten backup codes, or one recovery key; `kind` says which."""

    type = "backup_codes.generated"

    count: int
    kind: Method = Method.BACKUP_CODE


class BackupCodesImported(Event):
    """The codes, or the recovery key, that the person has from another system are good here, once each."""

    type = "backup_codes.imported"

    count: int
    kind: Method = Method.BACKUP_CODE


class BackupCodesUsed(Event):
    """`codes_left` of that kind; a recovery key that was used has a new one in its place."""

    type = "backup_codes.used"

    codes_left: int
    kind: Method = Method.BACKUP_CODE


class BackupCodesLow(Event):
    type = "backup_codes.low"

    codes_left: int


class RecoveryCodeIssued(Event):
    """An admin made a code for somebody who has nothing else."""

    type = "recovery_code.issued"

    reason: str
    expires_at: dt.datetime
    approver: AccountId | None = None


class RecoveryCodeUsed(Event):
    type = "recovery_code.used"


class TrustedDeviceAdded(Event):
    type = "trusted_device.added"

    device_id: DeviceId
    expires_at: dt.datetime


class TrustedDeviceRevoked(Event):
    type = "trusted_device.revoked"

    device_id: DeviceId
    reason: str
