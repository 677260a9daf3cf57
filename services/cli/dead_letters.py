"""Messages that were set aside: seen without what is sealed in them, put back, or given up."""

import datetime as dt
import json
from dataclasses import dataclass
from uuid import UUID

from services.cli.operator import operator_transaction
from shared.contracts.codec import UndecodableMessage, decode
from shared.db.connection import Connection
from shared.messaging.dead_letters import replay_letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter, without its body."""

    lane: str
    message_id: UUID
    message_type: str | None
    tenant_id: UUID | None
    reason: str
    attempts: int
    first_seen_at: dt.datetime
    parked_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLetter:
    """A dead letter and what is in it; `content` None: not a message of ours, and not shown for what it may hold."""

    letter: Letter
    size: int
    content: dict[str, object] | None


_COLUMNS = "lane, message_id, message_type, tenant_id, reason, attempts, first_seen_at, parked_at"


async def list_letters(dsn: str, *, lane: str | None, limit: int) -> list[Letter]:
    """Letters that wait for a decision, newest first."""
    async with operator_transaction(dsn) as conn:
        rows = await conn.fetch(
            f"""
            SELECT {_COLUMNS}
              FROM bus.dead_letters
             WHERE replayed_at IS NULL AND discarded_at IS NULL AND ($1::text IS NULL OR lane = $1)
             ORDER BY parked_at DESC LIMIT $2
            """,  # noqa: S608 - a constant
            lane,
            limit,
        )
    return [Letter(**dict(row)) for row in rows]


async def open_letter(dsn: str, lane: str, message_id: UUID) -> OpenedLetter | None:
    """One letter, also one that was decided about."""
    async with operator_transaction(dsn) as conn:
        row = await conn.fetchrow(
            f"SELECT {_COLUMNS}, body FROM bus.dead_letters WHERE lane = $1 AND message_id = $2",  # noqa: S608
            lane,
            message_id,
        )
    if row is None:
        return None
    found = dict(row)
    body: bytes = found.pop("body")
    return OpenedLetter(letter=Letter(**found), size=len(body), content=_content(body))


async def replay(dsn: str, lane: str, message_id: UUID) -> bool:
    """Put a letter back on its lane with the same id; False when there is none that waits."""
    async with operator_transaction(dsn) as conn:
        return await replay_letter(conn, lane, str(message_id))


async def discard(dsn: str, lane: str, message_id: UUID) -> bool:
    """Give a letter up; it stays to be seen. False when there is none that waits."""
    async with operator_transaction(dsn) as conn:
        return await _mark_discarded(conn, lane, message_id)


async def _mark_discarded(conn: Connection, lane: str, message_id: UUID) -> bool:
    return bool(
        await conn.fetchval(
            """
            UPDATE bus.dead_letters SET discarded_at = now()
             WHERE lane = $1 AND message_id = $2 AND replayed_at IS NULL AND discarded_at IS NULL
            RETURNING true
            """,
            lane,
            message_id,
        )
    )


def _content(body: bytes) -> dict[str, object] | None:
    try:
        decode(body)
    except UndecodableMessage:
        return None
    document: dict[str, object] = json.loads(body)
    return {name: _without_sealed(value) for name, value in document.items()}


def _without_sealed(value: object) -> object:
    match value:
        case str() if value.startswith("v1."):
            return "<sealed>"
        case dict():
            return {name: _without_sealed(each) for name, each in value.items()}
        case list():
            return [_without_sealed(each) for each in value]
        case _:
            return value
