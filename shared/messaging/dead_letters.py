"""Messages that died are parked in PostgreSQL, where a person finds them; replay puts them back with the same id."""

import re
from collections.abc import Callable, Sequence

import structlog

from shared.contracts.codec import MAX_BYTES, UndecodableMessage, decode
from shared.contracts.envelope import Envelope, Message
from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database, wait_until_up
from shared.messaging.bus import Ack, Disposition, Exchange, Incoming, Retry
from shared.messaging.outbox import OutboxRow, insert_again
from shared.messaging.topology import LANES
from shared.observability.metrics import DEAD_LETTERS

log = structlog.get_logger()

WAITS = 5  # for a database that is away; each ends when it answers again
REASON_LENGTH = 100
_NOT_OF_A_WORD = re.compile(r"[^\w.:/ -]", re.ASCII)
_INGRESS = frozenset(lane.name for lane in LANES if lane.is_ingress)


class Parker:
    """Takes what died on a service's lanes into the table ``bus.dead_letters``."""

    def __init__(self, database: Database, *, prepare: Callable[[Incoming], Incoming] | None = None) -> None:
        """``prepare``: makes a letter fit to be kept, where its body is not sealed already."""
        self._database = database
        self._prepare = prepare

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """Park all of them; holds them while the database is away. Parking twice is parking once."""
        prepared = [self._prepare(letter) for letter in batch] if self._prepare is not None else batch
        try:
            await self._park(prepared)
        except Exception as error:  # noqa: BLE001 - one that the table does not take keeps no other from it
            log.error("letters_not_parked", lane=batch[0].lane, size=len(batch), error=error)
            if len(batch) == 1:
                return [Retry("not_parked")]
            return [disposition for letter in batch for disposition in await self.receive([letter])]
        for letter in batch:
            DEAD_LETTERS.labels(lane=letter.lane).inc()
        return [Ack() for _ in batch]

    async def _park(self, batch: Sequence[Incoming]) -> None:
        for _ in range(WAITS):
            try:
                async with self._database.connection() as conn:
                    await park_letters(conn, batch)
                return
            except StoreUnavailable:
                await wait_until_up(self._database)
        raise StoreUnavailable  # it answers, and yet could not do this


async def park_letters(conn: Connection, letters: Sequence[Incoming]) -> None:
    """Store dead letters; a replayed one that dies again is open again.

    The same letter may come twice in one batch, after a confirm that got lost: one row cannot be upserted twice.
    """
    letters = list({(letter.lane, letter.message_id): letter for letter in letters}.values())
    known = [_envelope(letter) for letter in letters]
    await conn.execute(
        """
        INSERT INTO bus.dead_letters (message_id, lane, reason, message_type, tenant_id, attempts, body, first_seen_at)
        SELECT *
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::bytea[],
                      $8::timestamptz[])
            ON CONFLICT (lane, message_id) DO UPDATE
           SET reason = excluded.reason, attempts = excluded.attempts, parked_at = now(), replayed_at = NULL
        """,
        [letter.message_id for letter in letters],
        [letter.lane for letter in letters],
        [_machine_word(letter.dead_reason or "unknown") for letter in letters],
        [envelope.data.type if envelope else None for envelope in known],
        [envelope.tenant_id if envelope else letter.tenant_id for envelope, letter in zip(known, letters, strict=True)],
        [letter.attempt for letter in letters],
        [letter.body[:MAX_BYTES] for letter in letters],  # more is no message of ours, and no replay would make it one
        [letter.first_seen_at for letter in letters],
    )


async def replay_letter(conn: Connection, lane: str, message_id: str) -> bool:
    """Put a parked message back on its lane with the same id; False when it is not there or was replayed already.

    Runs in a transaction: the row that leaves and the mark commit together. The consumer's inbox makes it safe.
    """
    row = await conn.fetchrow(
        """
        UPDATE bus.dead_letters SET replayed_at = now()
         WHERE lane = $1 AND message_id = $2::uuid AND replayed_at IS NULL AND discarded_at IS NULL
        RETURNING message_id, tenant_id, body
        """,
        lane,
        message_id,
    )
    if row is None:
        return False
    outgoing = OutboxRow(
        message_id=row["message_id"],
        tenant_id=row["tenant_id"],
        exchange=Exchange.COMMANDS,
        routing_key=lane,
        body=row["body"],
    )
    await insert_again(conn, outgoing)
    return True


def _machine_word(reason: str) -> str:
    """A reason as we give them. Whoever can publish could have written another: with a NUL, which no text takes."""
    return _NOT_OF_A_WORD.sub("?", reason)[:REASON_LENGTH]


def _envelope(letter: Incoming) -> Envelope[Message] | None:
    """What one of us sent. A tenant's bytes are never taken for that, or its letter could name another tenant."""
    if letter.lane in _INGRESS:
        return None
    try:
        return decode(letter.body)
    except UndecodableMessage:
        return None
