"""API keys as requests bring them (`Authorization: Bearer df_live_…`): looked up together, remembered for a while.

A key is looked up by its SHA-256. It has 256 random bits, so there is nothing to guess and nothing that a
comparison's time could tell. A missing key goes the same way as an unknown one.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from services.gateway.api.auth import Caller, caller_of, judge_key
from services.gateway.problems import HttpCode, Problem
from services.gateway.queries.api_keys import find_keys
from shared.clock import host_now, monotonic
from shared.crypto.api_keys import api_key_digest, is_wellformed
from shared.db.pool import Database

CACHED_FOR = 5.0  # seconds; so long a key that was revoked elsewhere may still be good here
CACHED_KEYS = 10_000
RENEWED_AFTER = CACHED_FOR / 2  # seconds; what is used when it is older comes along when another key is looked up
RENEWED_AT_ONCE = 1_000  # keys; who waits for the look-up waits for these, too
LOOK_UPS = 2  # at once; whoever comes meanwhile is looked up in the next one, together


class Keys:
    """Finds callers; remembers keys, not verdicts: expiry is judged at each use.

    With many tenants there is always a key that has just grown too old. Each look-up takes along the others that are in
    use and soon will be: all of them cost one statement every few seconds, however many they are.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = monotonic) -> None:
        """``clock``: seconds that only go forward."""
        self._database = database
        self._clock = clock
        self._found: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._ageing: dict[bytes, None] = {}  # in use, and older than `RENEWED_AFTER`; longest first
        self._forgotten: set[UUID] = set()  # revoked here while a look-up was under way that may have seen them good
        self._asked: dict[bytes, asyncio.Future[Caller | None]] = {}
        self._look_ups: set[asyncio.Task[None]] = set()

    async def caller(self, authorization: str | None) -> Caller | Problem:
        """Who sends this header. Noise costs the database nothing. Raises `StoreUnavailable`."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key.isascii():
            return Problem(code=HttpCode.UNAUTHORIZED)
        digest = api_key_digest(key)
        found = self._remembered(digest)
        if found is None and is_wellformed(key):
            found = await self._find(digest)
        return Problem(code=HttpCode.UNAUTHORIZED) if found is None else judge_key(found, host_now())

    def forget(self, key_id: UUID) -> None:
        """A key was revoked here: it is not to be good for another moment."""
        for digest in [digest for digest, (_, caller) in self._found.items() if caller.key_id == key_id]:
            del self._found[digest]
        if self._look_ups:
            self._forgotten.add(key_id)

    def _remembered(self, digest: bytes) -> Caller | None:
        at, caller = self._found.get(digest, (0.0, None))
        age = self._clock() - at
        if caller is None or age >= CACHED_FOR:
            return None
        if age >= RENEWED_AFTER:
            self._ageing[digest] = None
        return caller

    async def _find(self, digest: bytes) -> Caller | None:
        """What many tenants ask at once costs as much as what one does: after a restart every key is new here."""
        asked = self._asked.setdefault(digest, asyncio.get_running_loop().create_future())
        if len(self._look_ups) < LOOK_UPS:
            look_up = asyncio.create_task(self._look_up())
            self._look_ups.add(look_up)
            look_up.add_done_callback(self._looked_up)
        return await asyncio.shield(asked)  # others may wait for it, too

    async def _look_up(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            digests = list(dict.fromkeys((*asked, *self._soon_too_old())))
            began = self._clock()  # what is read is as old as that, however long the answer takes
            try:
                async with self._database.transaction(work_queues=True) as conn:
                    found = await find_keys(conn, digests)
            except Exception as error:  # noqa: BLE001 - of whatever kind: theirs who asked
                for each in asked.values():
                    each.set_exception(error)
                continue
            good = {digest: each for digest, each in found.items() if each.key_id not in self._forgotten}
            callers = {digest: caller_of(each) for digest, each in good.items()}
            for digest in digests:
                self._remember(digest, callers.get(digest), began)
            for digest, each in asked.items():
                each.set_result(callers.get(digest))

    def _looked_up(self, look_up: asyncio.Task[None]) -> None:
        self._look_ups.discard(look_up)
        if not self._look_ups:
            self._forgotten.clear()

    def _soon_too_old(self) -> list[bytes]:
        """Taken off the list: what is not found is not asked for again, and what nobody uses is not listed."""
        digests = list(itertools.islice(self._ageing, RENEWED_AT_ONCE))
        for digest in digests:
            del self._ageing[digest]
        return digests

    def _remember(self, digest: bytes, caller: Caller | None, at: float) -> None:
        """Only what was found: a stranger must not be able to push keys out with noise."""
        self._found.pop(digest, None)
        if caller is None:
            return
        self._found[digest] = (at, caller)
        if len(self._found) > CACHED_KEYS:
            self._found.popitem(last=False)
