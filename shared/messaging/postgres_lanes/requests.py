"""The rows of ``bus.requests`` and ``bus.replies``: a worker's side. The statements are functions of migration 0003."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.clock import host_now
from shared.messaging.bus import Ack, Dead, Disposition, Incoming, Outgoing, Reply, Retry
from shared.messaging.postgres_lanes.source import Claimed, Terms
from shared.messaging.topology import REQUEST_LANE_LENGTH

if TYPE_CHECKING:
    from shared.db.connection import Connection, Record


async def hand_in_request(
    conn: "Connection",
    request_id: UUID,
    lane: str,
    message: Outgoing,
    *,
    reply_to: int | None,
    expires_at: dt.datetime,
    left: dt.timedelta,
) -> bool:
    """Store a request that is worth nothing after `left`, and wake the lane. False: too many wait there already."""
    is_stored: bool = await conn.fetchval(
        "SELECT bus.hand_in_request($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9)",
        request_id,
        lane,
        message.message_id,
        message.body,
        json.dumps(dict(message.headers)),
        reply_to,
        expires_at,
        left,
        REQUEST_LANE_LENGTH,
    )
    return is_stored


async def take_replies(conn: "Connection", asker: int) -> list[tuple[UUID, bytes]]:
    """Pick up the replies to an asker: request id and body."""
    rows = await conn.fetch("SELECT request_id, body FROM bus.take_replies($1)", asker)
    return [(row["request_id"], row["body"]) for row in rows]


class Requests:
    """A request lane: taken while somebody waits for it, and answered once.

    The first step of the retry ladder is longer than anybody waits: in production a `Retry` leaves the asker without an
    answer, who then looks whether one was stored.
    """

    def __init__(self, lane: str, terms: Terms) -> None:
        self._lane = lane
        self._terms = terms

    async def claim(self, at_most: int) -> list[Claimed]:
        """Requests that nobody has and that have not expired.

        By two clocks: what was left when the request set out is counted from its arrival, so its way is not in it. The
        sweep takes those that are dropped here.
        """
        async with self._terms.database.connection() as conn:
            rows = await conn.fetch(
                """
                SELECT id, lane, message_id, body, headers::text AS headers, reply_to, attempt, deliveries, expires_at,
                       first_seen_at
                  FROM bus.claim_requests($1, $2, $3)
                """,
                self._lane,
                at_most,
                self._terms.owner.of_leases,
            )
        now = host_now()
        return sorted((_claimed(row) for row in rows if row["expires_at"] > now), key=lambda each: each.id)

    async def renew(self, held: Sequence[Claimed]) -> None:
        """Nothing to do: the end of a request's time ends its lease."""

    async def settle(self, batch: Sequence[Claimed], dispositions: Sequence[Disposition]) -> None:
        """See `Source`. The reply leaves in the statement that takes the request off the lane."""
        ended: list[tuple[UUID, bytes | None, str | None]] = []
        failed: list[tuple[Claimed, dt.timedelta]] = []
        for claimed, disposition in zip(batch, dispositions, strict=True):
            match disposition:
                case Ack():
                    ended.append((claimed.id, None, None))
                case Reply(body):
                    ended.append((claimed.id, body, None))
                case Retry(reason):
                    delay = self._terms.delay_after(claimed.incoming.attempt)
                    if delay is None:
                        ended.append((claimed.id, None, reason))
                    else:
                        failed.append((claimed, delay))
                case Dead(reason):
                    ended.append((claimed.id, None, reason))
        async with self._terms.database.connection() as conn:
            await conn.execute(
                "SELECT bus.settle_requests($1, $2, $3, $4, $5, $6, $7)",
                [request_id for request_id, _, _ in ended],
                [body for _, body, _ in ended],
                [reason for _, _, reason in ended],
                [claimed.id for claimed, _ in failed],
                [claimed.incoming.attempt for claimed, _ in failed],
                [claimed.claim for claimed, _ in failed],
                [delay for _, delay in failed],
            )


def _claimed(row: "Record") -> Claimed:
    return Claimed(
        id=row["id"],
        claim=row["deliveries"],
        incoming=Incoming(
            lane=row["lane"],
            message_id=row["message_id"],
            body=row["body"],
            attempt=row["attempt"],
            expires_at=row["expires_at"],
            wants_reply=row["reply_to"] is not None,
            first_seen_at=row["first_seen_at"],
            headers=json.loads(row["headers"]),
        ),
    )
