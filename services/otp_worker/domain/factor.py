"""A factor: ``pending → active ⇄ suspended → revoked``, ``pending → expired`` (factor.md)."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from shared.contracts.types import ChallengeId, Channel, Contact, FactorId, FactorState, FactorType, Method

PENDING_LIFETIME = dt.timedelta(minutes=15)
MAX_ACTIVE = 10
STEP_UP_LIFETIME = dt.timedelta(minutes=10)  # of a challenge as the proof for changing factors

_STRENGTH = {FactorType.WEBAUTHN: 0, FactorType.TOTP: 1, FactorType.EMAIL: 2, FactorType.SMS: 3}
_CHANNELS = {FactorType.SMS: Channel.SMS, FactorType.EMAIL: Channel.EMAIL}
_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor of an account. `seed` rests under the account's data key."""

    id: FactorId
    type: FactorType
    state: FactorState
    name: str
    created_at: dt.datetime
    contact: Contact | None = None
    seed: bytes | None = field(default=None, repr=False)
    last_step: int | None = None
    burnt_steps: tuple[int, ...] = ()
    expires_at: dt.datetime | None = None
    confirmed_at: dt.datetime | None = None
    last_used_at: dt.datetime | None = None

    @property
    def channel(self) -> Channel | None:
        """How its codes travel; None: they are computed or signed."""
        return _CHANNELS.get(self.type)

    @property
    def method(self) -> Method:
        """What a code of it proves."""
        return Method(self.type.value)

    @property
    def is_held(self) -> bool:
        """Whether the account relies on it: a suspended factor still guards, else guessing would switch it off."""
        return self.state in (FactorState.ACTIVE, FactorState.SUSPENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Where a factor comes from."""

    account_id: str
    challenge_id: ChallengeId  # its own: attempts, codes, expiry
    login_challenge_id: ChallengeId | None  # the login that its confirmation completes
    replaces: FactorId | None
    proof_challenge_id: ChallengeId | None = None  # the step-up that it began on


def offered(factors: Iterable[Factor], methods: Collection[FactorType]) -> list[Factor]:
    """What a challenge offers: last used first, else the strongest.

    Of a method that the tenant has switched off nothing is offered, unless nothing else is left: then the old factor
    still opens the door to its owner, and to nobody else.
    """
    active = [factor for factor in factors if factor.state is FactorState.ACTIVE]
    allowed = [factor for factor in active if factor.type in methods]
    return sorted(
        allowed or active,
        key=lambda factor: (-(factor.last_used_at or _NEVER).timestamp(), _STRENGTH[factor.type], factor.id.int),
    )


def may_add(factors: Sequence[Factor]) -> bool:
    """Whether there is room for one more."""
    return sum(factor.is_held for factor in factors) < MAX_ACTIVE


def is_last(factors: Sequence[Factor], factor_id: FactorId) -> bool:
    """Whether no other active factor would be left."""
    return not any(factor.state is FactorState.ACTIVE and factor.id != factor_id for factor in factors)


def default_name(factor_type: FactorType) -> str:
    """What a factor is called until its owner names it."""
    match factor_type:
        case FactorType.TOTP:
            return "Authenticator app"
        case FactorType.SMS:
            return "Phone"
        case FactorType.EMAIL:
            return "E-mail"
        case FactorType.WEBAUTHN:
            return "Passkey"
