"""The workers of a lane: one loop that claims for those that are free, and a task for each batch in hand."""

import asyncio
from collections.abc import Sequence

import structlog

from shared.clock import monotonic
from shared.db.connection import StoreUnavailable
from shared.messaging.bus import Disposition, Receive, Retry
from shared.messaging.postgres_lanes.loops import cancel, repeat, rest
from shared.messaging.postgres_lanes.source import Claimed, Source

log = structlog.get_logger()

_LONGEST_HOLD = 1800.0  # seconds a lease is renewed: a handler that hangs gives its message up, as with RabbitMQ
_RENEWALS = 3  # within one lease: two may fail


class Puller:
    """Draws messages from one source for `workers` batches at a time, each of at most `batch` messages.

    A claim asks for as much as all free workers can take, so that a backlog costs few statements; what came less goes
    on at once and does not wait for more.
    """

    def __init__(
        self, source: Source, receive: Receive, *, workers: int, batch: int, pace: float, poll: float, lease: float
    ) -> None:
        """`pace`, `poll` and `lease` in seconds."""
        self._source = source
        self._receive = receive
        self._workers = workers
        self._batch = batch
        self._pace = pace
        self._poll = poll
        self._lease = lease
        self._woken = asyncio.Event()
        self._begun_at = float("-inf")  # the last batch
        self._busy: dict[asyncio.Task[None], tuple[float, Sequence[Claimed]]] = {}
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to claim."""
        self._loops = [
            asyncio.create_task(repeat(self._pull, pause=self._poll)),
            asyncio.create_task(repeat(self._renew, pause=self._poll)),
        ]

    def wake(self) -> None:
        """Something came: look now, not at the next poll."""
        self._woken.set()

    async def close(self, *, grace: float) -> None:
        """Claim no more; let the batches in hand end for `grace` seconds, then cancel them."""
        pulling, renewing = self._loops
        await cancel(pulling)
        if self._busy:
            _, late = await asyncio.wait(self._busy, timeout=grace)
            await cancel(*late)
        await cancel(renewing)

    async def _pull(self) -> None:
        while len(self._busy) >= self._workers:
            await asyncio.wait(self._busy, return_when=asyncio.FIRST_COMPLETED)
        self._woken.clear()
        wanted = (self._workers - len(self._busy)) * self._batch
        claimed = await self._source.claim(wanted)
        for start in range(0, len(claimed), self._batch):
            self._start(claimed[start : start + self._batch])
        if len(claimed) < wanted:
            await rest(self._woken, longest=self._poll)
            await asyncio.sleep(self._begun_at + self._pace - monotonic())

    def _start(self, batch: Sequence[Claimed]) -> None:
        self._begun_at = monotonic()
        task = asyncio.create_task(self._work(batch))
        self._busy[task] = (monotonic(), batch)
        task.add_done_callback(self._busy.pop)

    async def _work(self, batch: Sequence[Claimed]) -> None:
        dispositions = await self._dispositions(batch)
        # As long as the leases last nobody else takes the messages, and with the database away there is nothing better
        # to do than to keep what the handlers said: it saves doing all of it again.
        give_up_at = monotonic() + self._lease
        while monotonic() < give_up_at:
            try:
                await self._source.settle(batch, dispositions)
            except StoreUnavailable:
                await asyncio.sleep(self._poll)
            except Exception as error:  # noqa: BLE001  the leases end, and another worker tries
                log.error("batch_not_settled", lane=batch[0].incoming.lane, size=len(batch), error=error)
                return
            else:
                return
        log.warning("batch_not_settled", lane=batch[0].incoming.lane, size=len(batch))

    async def _dispositions(self, batch: Sequence[Claimed]) -> Sequence[Disposition]:
        """A receiver that raises, or forgets a message, is at fault, but its lane must go on."""
        try:
            said = await self._receive([claimed.incoming for claimed in batch])
            if len(said) == len(batch):
                return said
            log.error("receiver_miscounted", lane=batch[0].incoming.lane)
            reason = "receiver_miscounted"
        except Exception as error:  # noqa: BLE001  see above
            log.error("receiver_raised", lane=batch[0].incoming.lane, error=error)
            reason = type(error).__name__
        return [Retry(reason) for _ in batch]

    async def _renew(self) -> None:
        await asyncio.sleep(self._lease / _RENEWALS)
        oldest = monotonic() - _LONGEST_HOLD
        held = [claimed for since, batch in self._busy.values() if since > oldest for claimed in batch]
        if held:
            await self._source.renew(held)
