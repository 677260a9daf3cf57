"""Backup codes: ten of ``N-XXXX-XXXX-XXXX-XXXX``, a slot digit and 80 bits of Crockford's base 32.

The slot says which of the ten it claims to be, so that one try costs one slow hash and not ten. A recovery key and an
admin's recovery code have the same form.
"""

import enum
from dataclasses import dataclass, field

from services.otp_worker.domain.typed import without_separators

COUNT = 10
LOW = 3  # codes left at which their owner is warned
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: without I, L, O, U
RANDOM_CHARACTERS = 16
_GROUP = 4
_ALIKE = str.maketrans({"I": "1", "L": "1", "O": "0"})


class Kind(enum.StrEnum):
    """Three codes of one form in one table."""

    BACKUP_CODE = "backup_code"
    RECOVERY_KEY = "recovery_key"
    RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True, slots=True)
class BackupCode:
    """A code as typed or made: which slot, and its sixteen characters."""

    slot: int
    characters: str = field(repr=False)

    def written(self) -> str:
        """As it is shown: ``N-XXXX-XXXX-XXXX-XXXX``."""
        groups = (self.characters[at : at + _GROUP] for at in range(0, RANDOM_CHARACTERS, _GROUP))
        return "-".join((str(self.slot), *groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesLeft:
    """What an account could type in place of a factor's code."""

    backup_codes: int = 0
    has_recovery_key: bool = False


def parse(typed: str) -> BackupCode | None:
    """What a person typed, with or without spaces and dashes, in any case, with O for 0; None: not such a code."""
    bare = without_separators(typed).upper().translate(_ALIKE)
    if len(bare) != RANDOM_CHARACTERS + 1 or bare[0] not in "0123456789" or any(c not in ALPHABET for c in bare):
        return None
    return BackupCode(int(bare[0]), bare[1:])
