"""Factors, backup codes and trusted devices, to otp_worker."""

import datetime as dt

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.types import (
    Acting,
    ChallengeId,
    Contact,
    DeviceId,
    FactorId,
    FactorType,
    MovedDestination,
    PermitId,
    RecoveryId,
    RedeemDigest,
    Sealed,
    Value,
)

_OTP_FACTORS = "otp_worker.factors"
_OTP_COMMANDS = "otp_worker.commands"


class ReadSecurity(Request):
    """Factors, backup codes and trusted devices of an account. Answer: `SecurityView`."""

    type = "read_security"
    lane = _OTP_FACTORS


class StartEnrolment(Request):
    """Make a pending factor. Answer: `EnrolmentAnswer` (holds the seed of a TOTP factor)."""

    type = "start_enrolment"
    lane = _OTP_FACTORS

    factor_type: FactorType
    name: str | None = None
    destination: Contact | None = None  # sms, email
    proof: ChallengeId | None = None  # a challenge verified ≤ 10 min ago, or the login's own enrolment challenge
    replaces: FactorId | None = None
    acting: Acting | None = None  # an admin sets it up for an account that has no factor
    reason: str | None = None  # theirs
    redeem_digest: RedeemDigest | None = None  # asked on a hosted page: of the browser that must have passed the login


class ConfirmEnrolment(Request):
    """Prove a pending factor by one right code. Answer: `ConfirmationAnswer` (may hold backup codes).

    `code` is sealed at ``typed_place(tenant, factor id, "code")``.
    """

    type = "confirm_enrolment"
    lane = _OTP_FACTORS

    factor_id: FactorId
    code: Sealed
    redeem_digest: RedeemDigest | None = None  # typed on a hosted page: no assertion, the login can be redeemed


class SendEnrolmentCode(Request):
    """Send (again) the code that proves a pending sms or email factor. Answer: `FactorView`."""

    type = "send_enrolment_code"
    lane = _OTP_FACTORS

    factor_id: FactorId


class RenameFactor(Request):
    """Give a factor another name. Answer: `FactorView`."""

    type = "rename_factor"
    lane = _OTP_FACTORS

    factor_id: FactorId
    name: str


class RevokeFactor(Request):
    """Remove a factor. Answer: `FactorView`; refused for the last one of a required account."""

    type = "revoke_factor"
    lane = _OTP_FACTORS

    factor_id: FactorId
    proof: ChallengeId | None = None


class RegenerateBackupCodes(Request):
    """Ten new backup codes; the old ones are void. Answer: `BackupCodesAnswer` (holds the codes)."""

    type = "regenerate_backup_codes"
    lane = _OTP_FACTORS

    proof: ChallengeId | None = None


class AcknowledgeBackupCodes(Request):
    """The person says that the codes are saved. Answer: `BackupCodesStatus`."""

    type = "acknowledge_backup_codes"
    lane = _OTP_FACTORS


class RevokeTrustedDevices(Request):
    """End the trust of one device, or of all (`device_id` None). Answer: `RevokedDevices`."""

    type = "revoke_trusted_devices"
    lane = _OTP_FACTORS

    device_id: DeviceId | None = None


class ResetAccount(Request):
    """An admin takes an account's second factors off. Answer: `ResetAnswer`, also where there was nothing to take."""

    type = "reset_account"
    lane = _OTP_FACTORS

    reason: str
    acting: Acting


class ImportFactors(Request):
    """Take over what an account had in another system: active at once. Answer: `ImportedFactors`.

    The operator permits it (`permit_id`). `secrets` are `moving.MovedSecrets`, JSON, sealed at ``typed_place(tenant,
    account id, "import")``. Said again, it changes nothing.
    """

    type = "import_factors"
    lane = _OTP_FACTORS

    permit_id: PermitId
    destinations: tuple[MovedDestination, ...] = ()  # proved in the other system
    secrets: Sealed | None = None


class ImportedPerson(Value):
    """One of many: what `ImportFactors` has of one."""

    account_id: str
    destinations: tuple[MovedDestination, ...] = ()
    secrets: Sealed | None = None


class ImportFactorsOfMany(Request):
    """`ImportFactors` of several accounts, each once. Answer: `ManyImportedFactors`, in their order."""

    type = "import_factors_of_many"
    lane = _OTP_FACTORS

    permit_id: PermitId
    people: tuple[ImportedPerson, ...]


class MakeRecoveryCode(Request):
    """An admin makes a code that is good once, for so many minutes. Answer: `RecoveryCodeAnswer` (holds the code)."""

    type = "make_recovery_code"
    lane = _OTP_FACTORS

    reason: str
    minutes: int = 60
    acting: Acting


class ExportAccounts(Request):
    """The next page of a tenant's accounts, sealed to the key of the operator's permit. Answer: `ExportedPage`."""

    type = "export_accounts"
    lane = _OTP_FACTORS

    permit_id: PermitId
    after: str | None = None


class ExecuteRecovery(Command):
    """The waiting period is over: revoke the factors, unless a real success came after `requested_at`."""

    type = "execute_recovery"
    lane = _OTP_COMMANDS

    recovery_id: RecoveryId
    requested_at: dt.datetime
