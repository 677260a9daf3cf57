"""Ids already handled. The row commits with the handler's work, so the same message twice has one effect."""

from collections.abc import Sequence
from uuid import UUID

from shared.db.connection import Connection


async def claim_messages(conn: Connection, consumer: str, message_ids: Sequence[UUID]) -> set[UUID]:
    """Record these ids as handled by ``consumer``; returns those that were new.

    Waits for another worker that is just handling one of them: it is a duplicate if that one commits. Ids are inserted
    in order, so that two batches with the same duplicates cannot deadlock.
    """
    rows = await conn.fetch(
        """
        INSERT INTO bus.inbox (consumer, message_id)
        SELECT $1, message_id FROM unnest($2::uuid[]) AS ids (message_id) ORDER BY message_id
            ON CONFLICT DO NOTHING
        RETURNING message_id
        """,
        consumer,
        list(message_ids),
    )
    return {row["message_id"] for row in rows}
