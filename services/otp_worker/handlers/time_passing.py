"""What ends by itself. Codes and challenges are judged by their instants, so a late duty lets nobody in."""

import datetime as dt

from services.otp_worker.announcements import challenges_expired, factors_expired
from services.otp_worker.deps import Deps
from services.otp_worker.queries.expiry import expire_challenges, expire_factors
from services.otp_worker.queries.partitions import maintain_partitions
from services.otp_worker.queries.pending_codes import void_abandoned_codes
from shared.contracts.envelope import Envelope, Message
from shared.contracts.events import ClockMoved
from shared.db.clock_watch import watch_clock
from shared.db.connection import Connection
from shared.db.low_water import EVERYTHING
from shared.messaging.answers import purge_answers
from shared.messaging.outbox import insert_messages
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork, outbox_row

BATCH = 500
SLACK = dt.timedelta(seconds=30)  # what is over may be in a handler's hands for so long, which ends it or does not


async def expire(deps: Deps) -> bool:
    """End a batch of what is due; whether there is more."""
    low_water = deps.low_water
    async with deps.database.transaction(work_queues=True) as conn:
        said, has_more, waited = await _expire_batch(conn, EVERYTHING if low_water is None else low_water.reach())
        rows = [outbox_row(envelope) for envelope in said]
        if rows:
            rows = await insert_messages(conn, rows)
    if low_water is not None:
        low_water.seen(waited)
    deps.relay.hand_over(rows)
    return has_more


async def note_clock_move(_: Envelope[ClockMoved], uow: UnitOfWork, __: Deps) -> Outcome:
    """A sandbox's clock jumped: what is over by it ends now and not at the duty's next turn."""
    said, _more, _since = await _expire_batch(uow.conn, EVERYTHING)
    uow.publish(*said)
    return Done()


async def mind_clock(deps: Deps) -> bool:
    """Codes of authenticators are judged by the database's clock: say so when it is not this machine's time."""
    await watch_clock(deps.database)
    return False


async def purge(deps: Deps) -> bool:
    """Forget answers whose time is over; whether there may be more."""
    async with deps.database.transaction(work_queues=True) as conn:
        return await purge_answers(conn)


async def make_room(deps: Deps) -> bool:
    """Make the coming partitions and drop the outlived ones."""
    async with deps.database.transaction() as conn:
        await maintain_partitions(conn)
    return False


async def _expire_batch(conn: Connection, reach: dt.timedelta) -> tuple[list[Envelope[Message]], bool, dt.timedelta]:
    """Of all tenants that the transaction may see: what there is to say, whether there is more, and since when that may
    be over. ``reach`` is of system time: what a moved clock ends is looked for among all.
    """
    said: list[Envelope[Message]] = []
    has_more, waited = False, dt.timedelta()
    for is_moved in (False, True):
        within = EVERYTHING if is_moved else reach
        challenges = await expire_challenges(conn, limit=BATCH, is_moved=is_moved, reach=within)
        factors = await expire_factors(conn, limit=BATCH, is_moved=is_moved, reach=within)
        said += [*challenges_expired(challenges), *factors_expired(factors)]
        for found in (challenges, factors):
            if len(found) == BATCH:
                has_more, waited = True, max(waited, *(each.waited for each in found))
    return said, await void_abandoned_codes(conn, limit=BATCH) == BATCH or has_more, waited
