"""Time-based codes: RFC 6238 with SHA-1, six digits, steps of 30 seconds, a window of one step either side.

A step once accepted is never accepted again, nor is any before it (RFC 6238, 5.2): remembering only that the last code
differs would let code A through again after code B.
"""

import base64
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import pyotp
from pyotp.utils import strings_equal

STEP = dt.timedelta(seconds=30)  # RFC 6238, 5.2
SEED_BYTES = 20  # RFC 4226, 4: 160 bits
WINDOW = 1  # steps either side (RFC 6238, 5.2)
HINT_WINDOW = 10  # steps either side in which a right code tells how far the clock is off
_MINUTE = dt.timedelta(minutes=1)


class _Authenticator(pyotp.TOTP):
    """Holds the seed as bytes; pyotp would read it from base32 again for each code, and refuse one under 112 bits.

    New seeds have 160; shorter ones came with people from elsewhere, whose authenticators hold nothing else.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        super().__init__("")

    def byte_secret(self) -> bytes:
        """The seed, however long."""
        return self._seed

    @staticmethod
    def int_to_bytestring(i: int, *, padding: int = 8) -> bytes:
        """The counter of RFC 4226, 5.2, in one step: pyotp takes it byte by byte, for each code."""
        return i.to_bytes(padding, "big")


@dataclass(frozen=True, slots=True)
class RightStep:
    """The code of a step that may still be accepted."""

    step: int


@dataclass(frozen=True, slots=True)
class UsedStep:
    """The code of a step within the window that was accepted, overtaken or burnt before."""


@dataclass(frozen=True, slots=True)
class ClockOff:
    """The code of a step outside of the window: the phone's clock is `minutes` ahead (behind: negative)."""

    step: int
    minutes: int


@dataclass(frozen=True, slots=True)
class NoStep:
    """No code of any step that counts."""


Comparison = RightStep | UsedStep | ClockOff | NoStep


def step_at(now: dt.datetime) -> int:
    """The step of an instant."""
    return int(now.timestamp() // STEP.total_seconds())


def base32(seed: bytes) -> str:
    """The seed as authenticators take it (RFC 4648, 6)."""
    return base64.b32encode(seed).decode().rstrip("=")


def seed_of(text: str) -> bytes:
    """The seed of such a text. Raises `ValueError` for another one."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def setup_uri(seed: bytes, *, account: str, issuer: str) -> str:
    """The ``otpauth://`` URI of a QR code (Key URI Format); a colon would cut the label in two."""
    totp = pyotp.TOTP(base32(seed))
    return totp.provisioning_uri(name=account, issuer_name=issuer.replace(":", " "))


def compare(
    seed: bytes, code: str, *, now: dt.datetime, last_step: int | None, burnt_steps: Iterable[int], may_hint: bool
) -> Comparison:
    """What a six-digit code is worth at ``now``.

    ``burnt_steps``: named in a hint. Without them the hint would be an oracle: who guesses the code of a coming step is
    told so, waits, and types it again.
    """
    current = step_at(now)
    totp = _Authenticator(seed)
    near = _matching(totp, code, range(current - WINDOW, current + WINDOW + 1))
    if near:
        spent = set(burnt_steps)
        fresh = [step for step in near if step not in spent and (last_step is None or step > last_step)]
        return RightStep(fresh[0]) if fresh else UsedStep()
    if may_hint:
        around = range(max(current - HINT_WINDOW, 0), current + HINT_WINDOW + 1)
        far = [step for step in _matching(totp, code, around) if last_step is None or step > last_step]
        if far:
            return ClockOff(far[0], minutes=_minutes(far[0] - current))
    return NoStep()


def _matching(totp: pyotp.TOTP, code: str, steps: Iterable[int]) -> list[int]:
    """Every step is compared, in constant time, whether an earlier one fits or not."""
    return [step for step in steps if strings_equal(code, totp.generate_otp(step))]


def _minutes(steps: int) -> int:
    away = -(-abs(steps) * STEP // _MINUTE)
    return away if steps > 0 else -away
