"""Messages that died are parked in PostgreSQL, where a person finds them; replay puts them back with the same id."""

from collections.abc import Sequence

from shared.contracts.codec import UndecodableMessage, decode
from shared.contracts.envelope import Envelope, Message
from shared.db.connection import Connection, StoreUnavailable
from shared.db.pool import Database, wait_until_up
from shared.messaging.bus import Ack, Disposition, Exchange, Incoming
from shared.messaging.outbox import OutboxRow, insert_messages
from shared.observability.metrics import DEAD_LETTERS


class Parker:
    """Takes what died on a service's lanes into the table ``bus.dead_letters``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """Park all of them; holds them while the database is away. Parking twice is parking once."""
        while True:
            try:
                async with self._database.connection() as conn:
                    await park_letters(conn, batch)
                break
            except StoreUnavailable:
                await wait_until_up(self._database)
        for letter in batch:
            DEAD_LETTERS.labels(lane=letter.lane).inc()
        return [Ack() for _ in batch]


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
        [letter.dead_reason or "unknown" for letter in letters],
        [envelope.data.type if envelope else None for envelope in known],
        [envelope.tenant_id if envelope else None for envelope in known],
        [letter.attempt for letter in letters],
        [letter.body for letter in letters],
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
    await conn.execute("DELETE FROM bus.outbox WHERE message_id = $1", row["message_id"])
    await insert_messages(conn, [outgoing])
    return True


def _envelope(letter: Incoming) -> Envelope[Message] | None:
    try:
        return decode(letter.body)
    except UndecodableMessage:
        return None
