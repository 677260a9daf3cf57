"""A tenant's policy: who must have a second factor, by when, and what is allowed; stored and answered as it is."""

import datetime as dt
import enum
from typing import Annotated, Self

from pydantic import Field, PlainSerializer, model_validator

from shared.contracts.types import FactorType, Role, Value


class Scope(enum.StrEnum):
    """Whom a requirement is for."""

    NOBODY = "nobody"
    ALL = "all"
    ROLES = "roles"


class AfterGrace(enum.StrEnum):
    """What follows the deadline."""

    LOCK_OUT = "lock_out"
    ENROL = "enrol"


class BackupCodes(enum.StrEnum):
    """When the ten codes are shown."""

    AFTER_ACTIVATION = "after_activation"
    BEFORE_ACTIVATION = "before_activation"


class RecoveryKey(enum.StrEnum):
    """Whether one long code, replaced at use, is made beside the ten backup codes or instead of them."""

    NONE = "none"
    BESIDE = "beside"
    INSTEAD = "instead"


class ApiPassword(enum.StrEnum):
    """Whether a password alone may open the helpdesk's own API."""

    STRICT = "strict"
    ALLOW_IN_GRACE = "allow_in_grace"


class Requirement(Value):
    """Who must have a second factor; `roles` count with scope ``roles`` only."""

    scope: Scope = Scope.NOBODY
    roles: tuple[Role, ...] = ()

    @model_validator(mode="after")
    def _roles_where_they_count(self) -> Self:
        if (self.scope is Scope.ROLES) != bool(self.roles):
            raise ValueError("`roles` goes with scope `roles`, and that scope needs at least one")
        return self

    def covers(self, role: Role) -> bool:
        """Whether an account of that role is in the requirement."""
        return self.scope is Scope.ALL or (self.scope is Scope.ROLES and role in self.roles)


class RecoverySettings(Value):
    """Whether people may recover by themselves, and how long they wait."""

    enabled: bool = True
    wait_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24


class Policy(Value):
    """The whole policy of a tenant. The defaults are a new tenant's."""

    methods: tuple[FactorType, ...] = (FactorType.TOTP, FactorType.SMS, FactorType.EMAIL)
    required: Requirement = Requirement()
    grace_days: Annotated[int, Field(ge=0, le=365)] | None = 7
    grace_until: dt.datetime | None = None
    after_grace: AfterGrace | None = None
    trusted_device_days: Annotated[int, Field(ge=0, le=365)] = 30
    backup_codes: BackupCodes = BackupCodes.AFTER_ACTIVATION
    recovery_key: RecoveryKey = RecoveryKey.NONE
    recovery: RecoverySettings = RecoverySettings()
    enrolment_proof: bool = False
    enrol_when_locked_out: bool = False
    api_password: ApiPassword = ApiPassword.STRICT
    trusted_idps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _instants_are_aware(self) -> Self:
        if self.grace_until is not None and self.grace_until.tzinfo is None:
            raise ValueError("`grace_until` needs an offset, as in 2027-01-31T00:00:00Z")
        return self

    @property
    def follows_grace(self) -> AfterGrace:
        """`after_grace`, or its default: lock out after days; enrol after a date, and without any grace."""
        if self.after_grace is not None:
            return self.after_grace
        return AfterGrace.LOCK_OUT if self.grace_until is None and self.grace_days else AfterGrace.ENROL

    @property
    def has_backup_codes(self) -> bool:
        """Whether a first factor brings ten backup codes."""
        return self.recovery_key is not RecoveryKey.INSTEAD

    @property
    def has_recovery_key(self) -> bool:
        """Whether a first factor brings a recovery key."""
        return self.recovery_key is not RecoveryKey.NONE


def _whole(policy: Policy) -> dict[str, object]:
    return policy.model_dump(mode="json")


WholePolicy = Annotated[Policy, PlainSerializer(_whole, return_type=dict[str, object])]
"""A policy in a message. A message leaves out what is None, but here None says something: `grace_days` else is 7."""
