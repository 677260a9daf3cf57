"""Events that helpdesks handed in, by their CloudEvents source and id."""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.db.connection import Connection

KEPT = dt.timedelta(days=7)


async def claim_events(conn: Connection, tenant_id: UUID, messages: Mapping[bytes, UUID]) -> set[bytes]:
    """Record digests with the ids of their messages; returns those that were new.

    In order, so that two callers with the same events cannot deadlock; a second one waits for the first one's commit.
    """
    digests = sorted(messages)
    rows = await conn.fetch(
        """
        INSERT INTO gateway.accepted_events (tenant_id, digest, message_id)
        SELECT $1, digest, message_id FROM unnest($2::bytea[], $3::uuid[]) AS given (digest, message_id)
         ORDER BY digest
            ON CONFLICT DO NOTHING
        RETURNING digest
        """,
        tenant_id,
        digests,
        [messages[digest] for digest in digests],
    )
    return {row["digest"] for row in rows}


async def load_accepted(conn: Connection, tenant_id: UUID, digests: Sequence[bytes]) -> dict[bytes, UUID]:
    """Digest → the id of the message that it became."""
    rows = await conn.fetch(
        "SELECT digest, message_id FROM gateway.accepted_events WHERE tenant_id = $1 AND digest = ANY ($2::bytea[])",
        tenant_id,
        list(digests),
    )
    return {row["digest"]: row["message_id"] for row in rows}


async def purge_events(conn: Connection, *, limit: int = 5_000) -> int:
    """Delete those whose time is over; returns how many."""
    status = await conn.execute(
        """
        DELETE FROM gateway.accepted_events
         WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM gateway.accepted_events WHERE accepted_at < now() - $1::interval LIMIT $2))
        """,
        KEPT,
        limit,
    )
    return int(status.split()[-1])
