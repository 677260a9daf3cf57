"""Backup codes at rest: argon2id with a salt each, in a thread (it takes about 8 ms of CPU).

80 random bits need no slow hash against guessing; the memory is for the day when a code turns out less random.
"""

import asyncio
import secrets

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from services.otp_worker.domain.backup_code import ALPHABET, COUNT, RANDOM_CHARACTERS, BackupCode

_HASHER = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


def new_codes(count: int = COUNT) -> list[BackupCode]:
    """Codes for the slots 0 to ``count`` - 1."""
    return [
        BackupCode(slot, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))) for slot in range(count)
    ]


async def hash_codes(codes: list[BackupCode]) -> list[str]:
    """One hash each, slot and all."""
    return await asyncio.to_thread(lambda: [_HASHER.hash(_text(code)) for code in codes])


async def fits(stored: str, code: BackupCode) -> bool:
    """Whether the code is the one that was hashed; compared by argon2 in constant time."""
    return await asyncio.to_thread(_fits, stored, code)


def _fits(stored: str, code: BackupCode) -> bool:
    try:
        return _HASHER.verify(stored, _text(code))
    except (VerificationError, InvalidHashError):
        return False


def _text(code: BackupCode) -> str:
    return f"{code.slot}{code.characters}"
