"""Hashes of other systems, compared in threads: how many at once is ours to say."""

import asyncio
import hashlib
import threading

from argon2 import PasswordHasher

from services.otp_worker.adapters.foreign_codes import AT_ONCE, fitting
from shared.secret import Secret

TRIES = 12


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("foreign-codes")]


async def test_however_many_try_at_once_two_hashes_are_computed() -> None:
    """Each may take 128 MiB: a morning on which everybody types a code of the old system must not fill the memory."""
    slow = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("k7fq-29xw")
    plain = hashlib.sha512(b"k7fq-29xw").hexdigest()
    stored = [(slow, "xxxx-xxxx"), (plain, None), (hashlib.sha512(b"other").hexdigest(), None)]
    found = await asyncio.gather(*(fitting(stored, Secret("K7FQ 29XW")) for _ in range(TRIES)))
    assert found == [[True, False, False]] * TRIES
    assert 0 < len(_threads()) <= AT_ONCE
    assert await fitting([(slow, "xxxx-xxxx"), (plain, "xxxx-xxxx")], Secret("k7fq29xw")) == [True, True]
    assert await fitting([], Secret("k7fq29xw")) == []
