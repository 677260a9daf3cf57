"""What an account has, in plain Python: it shares no line with the product, so that both would have to be wrong in the
same way.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

import pyotp

STEP: Final = 30  # seconds
DAY: Final = dt.timedelta(days=1)
HOUR: Final = dt.timedelta(hours=1)
MINUTE: Final = dt.timedelta(minutes=1)
BLUR: Final = dt.timedelta(seconds=20)
"""Around an instant nothing is said: on a busy machine the product reads its clock some time after the model."""


def step_at(now: dt.datetime) -> int:
    """The time step of an instant (RFC 6238, 4.2)."""
    return int(now.timestamp()) // STEP


def is_before(now: dt.datetime, instant: dt.datetime) -> bool | None:
    """Whether it is yet to come; None: it is now."""
    return None if abs(now - instant) <= BLUR else now < instant


@dataclass(slots=True)
class Factor:
    """An authenticator, a phone or a mailbox."""

    type: str
    begun_at: dt.datetime
    seed: str | None = field(default=None, repr=False)
    sent_code: str | None = field(default=None, repr=False)  # by which it is to be proved
    sent_at: dt.datetime | None = None
    to: str | None = None
    is_active: bool = False
    last_step: int = -1
    burnt: set[int] = field(default_factory=set)
    wrong: int = 0
    begun_on: str | None = None  # the proof that allowed it; None: none was needed
    replaces: str | None = None

    def code(self, step: int) -> str:
        """The six digits that an authenticator shows in a step."""
        assert self.seed is not None
        return pyotp.TOTP(self.seed).at(step * STEP)

    @property
    def is_app(self) -> bool:
        """Whether it computes its codes."""
        return self.type == "totp"


@dataclass(slots=True)
class Proof:
    """A challenge that was passed: it may be shown for ten minutes."""

    at: dt.datetime
    factor_id: str | None  # by whose code; None: by one that stands in for a factor
    is_void: bool = False  # what stands in for a factor is void
    is_disputed: bool = False  # somebody else showed it

    def is_fresh(self, now: dt.datetime) -> bool | None:
        """Whether it is younger than that."""
        return is_before(now, self.at + 10 * MINUTE)


@dataclass(slots=True)
class Token:
    """A browser that was trusted. One that the owner ended has no epoch."""

    value: str = field(repr=False)
    given_at: dt.datetime
    epoch: int | None
    days: int
    method: str


@dataclass(slots=True)
class Recovery:
    """A request as its rules say it goes."""

    id: str
    requested_at: dt.datetime
    state: str = "draft"
    proved_at: dt.datetime | None = None
    ready_at: dt.datetime | None = None  # at the earliest
    ended_at: dt.datetime | None = None
    is_attack: bool = False
    older_messages: int = 0  # they know nothing of it


@dataclass(slots=True)
class Paper:
    """The codes that stand in for a factor: what is good, what was, and what waits for the first factor."""

    codes: list[str] = field(default_factory=list, repr=False)
    key: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    recovery_code_until: dt.datetime | None = None
    dead: list[tuple[str, str]] = field(default_factory=list, repr=False)  # kind, code
    waiting: "Waiting | None" = None

    def void(self) -> None:
        """All of it is waste paper now."""
        self.dead += [("backup_code", code) for code in self.codes]
        self.dead += [("recovery_key", self.key)] if self.key is not None else []
        self.codes, self.key = [], None
        self.void_recovery_code()

    def void_recovery_code(self) -> None:
        """An admin's code that nobody used."""
        if self.recovery_code is not None:
            self.dead.append(("recovery_code", self.recovery_code))
        self.recovery_code = None


@dataclass(slots=True)
class Waiting:
    """Codes that were shown before activation."""

    codes: list[str] = field(repr=False)
    key: str | None = field(repr=False)
    until: dt.datetime
    is_saved: bool = False
