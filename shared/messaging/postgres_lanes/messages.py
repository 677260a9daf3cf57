"""The rows of ``bus.lane_messages``: stored, leased, settled. The statements are functions of migration 0003."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.db.low_water import LowWater
from shared.ids import new_id
from shared.messaging.bus import Ack, Dead, Disposition, Incoming, Outgoing, Reply, Retry
from shared.messaging.postgres_lanes.source import Claimed, Terms
from shared.messaging.topology import DELIVERY_LIMIT, KILLER_AFTER

if TYPE_CHECKING:
    from shared.db.connection import Connection, Record

_SLACK = dt.timedelta(seconds=5)  # a message is stored by a transaction of its own


async def insert_lane_messages(conn: "Connection", rows: Sequence[tuple[str, Outgoing]]) -> None:
    """Store messages, each with its lane."""
    await conn.execute(
        """
        INSERT INTO bus.lane_messages (id, lane, message_id, body, headers, expires_at)
        SELECT id, lane, message_id, body, headers::jsonb, expires_at
          FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $5::text[], $6::timestamptz[])
            AS new (id, lane, message_id, body, headers, expires_at)
        """,
        [new_id() for _ in rows],
        [lane for lane, _ in rows],
        [message.message_id for _, message in rows],
        [message.body for _, message in rows],
        [json.dumps(dict(message.headers)) for _, message in rows],
        [message.expires_at for _, message in rows],
    )


async def renew_leases(conn: "Connection", ids: Sequence[UUID], lease: dt.timedelta) -> None:
    """Let the leases of these rows, where there still are any, end `lease` from now."""
    await conn.execute("SELECT bus.renew_leases($1, $2)", ids, lease)


class Work:
    """A work lane: what is done is deleted, what failed comes back by the ladder, then dies."""

    def __init__(self, lane: str, terms: Terms) -> None:
        self._lane = lane
        self._terms = terms
        self._low_water = LowWater(slack=_SLACK)

    async def claim(self, at_most: int) -> list[Claimed]:
        """Messages that nobody holds, suspects excepted."""
        async with self._terms.database.connection() as conn:
            rows = await conn.fetch(
                """
                SELECT id, lane, message_id, body, headers::text AS headers, attempt, deliveries, expires_at,
                       first_seen_at, dead_reason, now() - available_at AS waited
                  FROM bus.claim_messages_since($1, $2, $3, $4, $5, $6)
                """,
                self._lane,
                at_most,
                self._terms.owner.of_leases,
                self._terms.lease,
                KILLER_AFTER,
                self._low_water.reach(),
            )
        self._low_water.found([row["waited"] for row in rows], at_most=at_most)
        return _claimed(rows)

    async def renew(self, held: Sequence[Claimed]) -> None:
        """See `Source`."""
        async with self._terms.database.connection() as conn:
            await renew_leases(conn, [each.id for each in held], self._terms.lease)

    async def settle(self, batch: Sequence[Claimed], dispositions: Sequence[Disposition]) -> None:
        """See `Source`. A `Reply` is an `Ack` here: nobody waits."""
        done: list[UUID] = []
        failed: list[tuple[Claimed, dt.timedelta | None, str]] = []
        for claimed, disposition in zip(batch, dispositions, strict=True):
            match disposition:
                case Ack() | Reply():
                    done.append(claimed.id)
                case Retry(reason):
                    failed.append((claimed, self._terms.delay_after(claimed.incoming.attempt), reason))
                case Dead(reason):
                    failed.append((claimed, None, reason))
        async with self._terms.database.connection() as conn:
            await conn.execute(
                "SELECT bus.settle_messages($1, $2, $3, $4, $5, $6)",
                done,
                [claimed.id for claimed, _, _ in failed],
                [claimed.incoming.attempt for claimed, _, _ in failed],
                [claimed.claim for claimed, _, _ in failed],
                [delay for _, delay, _ in failed],
                [reason for _, _, reason in failed],
            )


class Suspects(Work):
    """What a work lane's messages become when `KILLER_AFTER` deliveries ended without a word from the worker.

    One of them may be what kills its workers; so each goes alone, while its neighbours get through.
    """

    async def claim(self, at_most: int) -> list[Claimed]:
        """One message. Delivered `DELIVERY_LIMIT` times it is declared dead instead."""
        del at_most  # always alone
        async with self._terms.database.connection() as conn:
            rows = await conn.fetch(
                """
                SELECT id, lane, message_id, body, headers::text AS headers, attempt, deliveries, expires_at,
                       first_seen_at, dead_reason
                  FROM bus.claim_suspect($1, $2, $3, $4)
                """,
                self._lane,
                self._terms.owner.of_leases,
                self._terms.lease,
                DELIVERY_LIMIT,
            )
        return _claimed(rows)


class DeadLetters:
    """What died on some lanes. Acknowledged it is deleted; whatever else is said about it, it comes again later."""

    def __init__(self, lanes: Sequence[str], terms: Terms) -> None:
        self._lanes = lanes
        self._terms = terms

    async def claim(self, at_most: int) -> list[Claimed]:
        """Dead letters that nobody holds."""
        async with self._terms.database.connection() as conn:
            rows = await conn.fetch(
                """
                SELECT id, lane, message_id, body, headers::text AS headers, attempt, deliveries, expires_at,
                       first_seen_at, dead_reason
                  FROM bus.claim_dead($1, $2, $3, $4)
                """,
                self._lanes,
                at_most,
                self._terms.owner.of_leases,
                self._terms.lease,
            )
        return _claimed(rows)

    async def renew(self, held: Sequence[Claimed]) -> None:
        """See `Source`."""
        async with self._terms.database.connection() as conn:
            await renew_leases(conn, [each.id for each in held], self._terms.lease)

    async def settle(self, batch: Sequence[Claimed], dispositions: Sequence[Disposition]) -> None:
        """See `Source`."""
        pairs = list(zip(batch, dispositions, strict=True))
        async with self._terms.database.connection() as conn:
            await conn.execute(
                "SELECT bus.settle_dead($1, $2, $3)",
                [claimed.id for claimed, said in pairs if isinstance(said, Ack | Reply)],
                [claimed.id for claimed, said in pairs if isinstance(said, Retry | Dead)],
                self._terms.delay_after(0) or dt.timedelta(),
            )


def _claimed(rows: "Sequence[Record]") -> list[Claimed]:
    """Oldest first; the order in which a statement returns rows is not promised."""
    return sorted((_one_claimed(row) for row in rows), key=lambda each: each.id)


def _one_claimed(row: "Record") -> Claimed:
    return Claimed(
        id=row["id"],
        claim=row["deliveries"],
        incoming=Incoming(
            lane=row["lane"],
            message_id=row["message_id"],
            body=row["body"],
            attempt=row["attempt"],
            expires_at=row["expires_at"],
            first_seen_at=row["first_seen_at"],
            dead_reason=row["dead_reason"],
            headers=json.loads(row["headers"]),
        ),
    )
