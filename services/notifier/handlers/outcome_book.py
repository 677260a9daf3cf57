"""Outcomes that come while some are being written go together into the next transaction."""

import asyncio

from services.notifier.deps import Deps
from services.notifier.handlers.outcomes import Judged, write_down
from shared.db.connection import StoreUnavailable


class OutcomeBook:
    """One a process. Alone, an outcome waits for nothing; how many go together is bounded by what is being sent."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._waiting: list[tuple[Judged, asyncio.Future[None]]] = []
        self._writing = asyncio.Lock()

    async def write(self, judged: Judged) -> None:
        """Returns when it is committed. Raises `StoreUnavailable`, and whatever is wrong with this one."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((judged, written))
        async with self._writing:
            if not written.done():
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        written.result()

    async def _write(self, batch: list[tuple[Judged, asyncio.Future[None]]]) -> None:
        """What cannot be written together is written singly: one that is broken hurts no other."""
        try:
            await write_down([judged for judged, _ in batch], self._deps)
        except asyncio.CancelledError:
            for _, written in batch:
                written.cancel()
            raise
        except StoreUnavailable as error:
            _settle(batch, error)
        except Exception as error:  # noqa: BLE001 - handed to whoever wrote it
            if len(batch) == 1:
                _settle(batch, error)
                return
            for each in batch:
                await self._write([each])
        else:
            _settle(batch, None)


def _settle(batch: list[tuple[Judged, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, written in batch:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
            written.exception()  # seen: who waited for it may have been cut off
