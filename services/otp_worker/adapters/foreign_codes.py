"""Backup codes of another system: their hashes at rest, and one try against all of them, in threads."""

import asyncio
import base64
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from services.otp_worker.adapters.seeds import open_seed, seal_seed
from shared.contracts.moving import MovedSecrets
from shared.crypto.data_keys import MasterKey
from shared.crypto.digests import digest, matches
from shared.crypto.foreign_hashes import HashFault, read_hash
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import Place, open_bytes, typed_place
from shared.rules.foreign_codes import writings
from shared.secret import Secret

AT_ONCE = 2
"""Comparisons at once in a process, whoever tries: each may take `MOST_MEMORY`. Hashing leaves the interpreter's lock
alone, and the event loop goes on.
"""


def open_moved(ring: KeyRing, sealed: str | None, tenant_id: UUID, account_id: str) -> MovedSecrets:
    """What the operator's import sealed. Raises `UnknownKey`, `BrokenSeal`, and `ValueError` for another content."""
    if sealed is None:
        return MovedSecrets()
    return MovedSecrets.model_validate_json(open_bytes(ring, sealed, typed_place(tenant_id, account_id, "import")))


def import_digest(ring: KeyRing, tenant_id: UUID, account_id: str, kind: str, value: str) -> str:
    """By what it is recognised that something was taken over before."""
    return digest(ring, "import", str(tenant_id), account_id, kind, value)


def is_known(ring: KeyRing, known: Sequence[str], tenant_id: UUID, account_id: str, kind: str, value: str) -> bool:
    """Whether it was. Raises `UnknownKey`."""
    return any(matches(ring, each, "import", str(tenant_id), account_id, kind, value) for each in known)


def code_place(tenant_id: UUID, account_id: str, code_id: UUID) -> Place:
    """Where a hash of another system belongs."""
    return Place(tenant_id=tenant_id, account_id=account_id, purpose="backup_code", record=str(code_id), field="hash")


def seal_hash(master: MasterKey, text: str, *, tenant_key: str, account_key: bytes, place: Place) -> str:
    """The hash as the row keeps it."""
    sealed = seal_seed(master, Secret(text.encode()), tenant_key=tenant_key, account_key=account_key, place=place)
    return base64.b64encode(sealed).decode()


def open_hash(master: MasterKey, stored: str, *, tenant_key: str, account_key: bytes, place: Place) -> str:
    """The hash back. Raises `UnknownKey`, `BrokenSeal`."""
    blob = base64.b64decode(stored)
    opened = open_seed(master, blob, tenant_key=tenant_key, account_key=account_key, place=place)
    return opened.reveal().decode()


async def fitting(hashes: Sequence[tuple[str, str | None]], typed: Secret[str]) -> list[bool]:
    """Which of these hashes, each with its shape, are of what was typed. All are compared, whatever fits.

    There is no slot that would say which one it claims to be: their number and their price were bounded when they came.
    """
    loop, pool = asyncio.get_running_loop(), _pool()
    return await asyncio.gather(*(loop.run_in_executor(pool, _fits, text, shape, typed) for text, shape in hashes))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Of the process, so that tries queue for it: many people at once take longer, and no more memory."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="foreign-codes")


def _fits(text: str, shape: str | None, typed: Secret[str]) -> bool:
    hashed = read_hash(text)
    if isinstance(hashed, HashFault):
        return False
    answers = [hashed.fits(writing.encode()) for writing in writings(typed.reveal(), shape)]
    return any(answers)
