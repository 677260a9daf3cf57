"""Answers about factors, backup codes and trusted devices."""

import datetime as dt

from shared.contracts.types import DeviceId, FactorId, FactorState, FactorType, Strength, Value


class FactorView(Value):
    """A factor as its tenant sees it."""

    id: FactorId
    type: FactorType
    state: FactorState
    name: str
    destination: str | None = None  # masked
    created_at: dt.datetime
    expires_at: dt.datetime | None = None
    confirmed_at: dt.datetime | None = None
    last_used_at: dt.datetime | None = None
    next_send_at: dt.datetime | None = None
    strength: Strength | None = None
    advice: str | None = None  # where another type is the better choice


class TotpSetup(Value):
    """What an authenticator needs: base32 seed, and the otpauth URI that holds it."""

    seed: str
    uri: str


class EnrolmentAnswer(Value):
    """A pending factor."""

    factor: FactorView
    totp: TotpSetup | None = None
    backup_codes: tuple[str, ...] | None = None  # of a first factor whose codes are to be saved before it is active
    recovery_key: str | None = None
    guidance: str | None = None  # how to keep the codes


class ConfirmationAnswer(Value):
    """A factor is active now."""

    factor: FactorView
    backup_codes: tuple[str, ...] | None = None  # the first factor brings ten, or a recovery key, as the policy says
    recovery_key: str | None = None
    guidance: str | None = None  # how to keep the codes
    assertion: str | None = None  # enrolled inside a login: the confirmation is its proof


class RecoveryKeyStatus(Value):
    """A recovery key that is good; `made_at`: with the set, or when the one before was used."""

    made_at: dt.datetime
    acknowledged_at: dt.datetime | None = None  # None: nobody said that it is saved


class PendingCodesStatus(Value):
    """Codes that were shown before activation: good once they are acknowledged and the factor is active."""

    made_at: dt.datetime
    expires_at: dt.datetime
    acknowledged_at: dt.datetime | None = None


class BackupCodesStatus(Value):
    """How many codes there are, and whether the person said that they are saved."""

    codes_left: int
    generated_at: dt.datetime | None = None
    acknowledged_at: dt.datetime | None = None
    recovery_key: RecoveryKeyStatus | None = None
    pending: PendingCodesStatus | None = None


class BackupCodesAnswer(Value):
    """What the policy says is made anew, shown once: ten codes, a recovery key, or both."""

    backup_codes: tuple[str, ...] | None = None
    recovery_key: str | None = None
    guidance: str | None = None  # how to keep the codes


class TrustedDeviceView(Value):
    """A trusted device, without its token."""

    id: DeviceId
    name: str
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None = None


class SecurityView(Value):
    """What an account has enrolled, and what holds it back."""

    factors: tuple[FactorView, ...]
    backup_codes: BackupCodesStatus
    trusted_devices: tuple[TrustedDeviceView, ...]
    throttled_until: dt.datetime | None = None


class RevokedDevices(Value):
    """How many trusts were ended."""

    revoked: int


class RecoveryCodeAnswer(Value):
    """A recovery code, shown once."""

    recovery_code: str
    expires_at: dt.datetime
    guidance: str | None = None  # how to hand it over


class ResetAnswer(Value):
    """What a reset took away: active and suspended factors, and trusted devices."""

    revoked_factors: int
    revoked_devices: int
