"""May what an account had in another system be taken over.

Only where nothing of its own is: an account that has enrolled here gets another factor on a fresh proof and no other
way, whatever a file says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.otp_worker.domain.factor import MAX_ACTIVE
from shared.contracts.replies import ImportRefusal
from shared.rules.foreign_codes import MOST_CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What an account has, as far as an import asks.

    `digests`: of all that was ever taken over, ended or not; `slots`: of codes that still are good.
    """

    digests: Sequence[str] = ()
    held_factors: int = 0
    own_factors: int = 0  # of those, enrolled here
    slots: frozenset[int] = frozenset()
    has_own_codes: bool = False
    has_key: bool = False  # a recovery key that is good, made here or taken over


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What may be taken over, and why the rest may not."""

    factors: bool
    codes: bool
    key: bool
    refused: tuple[ImportRefusal, ...]


def admit(taken: TakenOver, *, new_factors: int, new_codes: int, is_key_new: bool = False) -> Admission:
    """Judge what is new: factors, codes and recovery key apart, each all or nothing."""
    factors = _factors_fault(taken, new_factors) if new_factors else None
    codes = _codes_fault(taken, new_codes) if new_codes else None
    key = _key_fault(taken) if is_key_new else None
    return Admission(
        factors=bool(new_factors) and factors is None,
        codes=bool(new_codes) and codes is None,
        key=is_key_new and key is None,
        refused=tuple(dict.fromkeys(fault for fault in (factors, codes, key) if fault is not None)),
    )


def free_slots(taken: TakenOver, count: int) -> list[int]:
    """Numbers for that many codes more."""
    return [slot for slot in range(len(taken.slots) + count) if slot not in taken.slots][:count]


def _factors_fault(taken: TakenOver, count: int) -> ImportRefusal | None:
    if taken.own_factors:
        return ImportRefusal.ENROLLED_HERE
    return ImportRefusal.TOO_MANY_FACTORS if taken.held_factors + count > MAX_ACTIVE else None


def _codes_fault(taken: TakenOver, count: int) -> ImportRefusal | None:
    if taken.own_factors:
        return ImportRefusal.ENROLLED_HERE
    if taken.has_own_codes:
        return ImportRefusal.CODES_MADE_HERE
    return ImportRefusal.TOO_MANY_CODES if len(taken.slots) + count > MOST_CODES else None


def _key_fault(taken: TakenOver) -> ImportRefusal | None:
    if taken.own_factors:
        return ImportRefusal.ENROLLED_HERE
    return ImportRefusal.KEY_MADE_HERE if taken.has_key else None
