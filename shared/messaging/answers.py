"""The answers already given, by Idempotency-Key: a request sent twice is decided once.

The row is written in the transaction of the decision, so there is none in flight that a crash could leave behind: of
two at once the second fails on the unique key, rolls back, and reads what the first one answered.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.db.connection import Connection

ANSWER_LIFETIME = dt.timedelta(hours=24)
SECRET_LIFETIME = dt.timedelta(minutes=10)  # of an answer that holds a secret; afterwards 409 `already_answered`
PURGED_AT_ONCE = 5_000  # rows


class AnsweredMeanwhile(Exception):
    """Another request with the same key was faster; its answer is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer as it was given, sealed to the gateway; `reply` is None once its secret's time is over."""

    tenant_id: UUID
    scope: str
    key: str
    fingerprint: bytes
    reply: bytes | None = field(repr=False)
    holds_secret: bool = False
    account_id: str | None = None  # whose request it was, where it named one


async def load_answers(conn: Connection, keys: Sequence[tuple[UUID, str, str]]) -> list[StoredAnswer]:
    """The stored answers of these (tenant, scope, key).

    Each is looked up by itself (``OFFSET 0`` keeps it so): planned among few answers, a join would read them all.
    """
    rows = await conn.fetch(
        """
        SELECT wanted.tenant_id, wanted.scope, wanted.key, a.fingerprint, a.holds_secret,
               CASE WHEN a.holds_secret AND a.answered_at < now() - $4::interval THEN NULL ELSE a.reply END AS reply
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (tenant_id, scope, key)
               CROSS JOIN LATERAL (
                 SELECT own.fingerprint, own.holds_secret, own.answered_at, own.reply FROM bus.answers AS own
                  WHERE own.tenant_id = wanted.tenant_id AND own.scope = wanted.scope AND own.key = wanted.key
                 OFFSET 0
               ) AS a
         WHERE a.answered_at >= now() - $5::interval
        """,
        [tenant_id for tenant_id, _, _ in keys],
        [scope for _, scope, _ in keys],
        [key for _, _, key in keys],
        SECRET_LIFETIME,
        ANSWER_LIFETIME,
    )
    return [StoredAnswer(**dict(row)) for row in rows]


async def forget_answers(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Delete the answers to requests about an account, which is erased."""
    await conn.execute("DELETE FROM bus.answers WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id)


async def forget_scopes(conn: Connection, tenant_id: UUID, scopes: Sequence[str]) -> None:
    """Delete the answers to requests whose path names something of an account that is erased."""
    await conn.execute(
        "DELETE FROM bus.answers WHERE tenant_id = $1 AND scope = ANY ($2::text[])", tenant_id, list(scopes)
    )


async def purge_answers(conn: Connection) -> bool:
    """Blank secrets and delete answers whose time is over; whether there may be more to do."""
    blanked = await blank_secrets(conn)
    deleted = await delete_answers(conn)
    return PURGED_AT_ONCE in (blanked, deleted)


async def blank_secrets(conn: Connection) -> int:
    """Blank answers that hold a secret once its time is over; how many. Their rows stay: the key was answered."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
          SELECT tenant_id, scope, key FROM bus.answers
           WHERE holds_secret AND reply <> ''::bytea AND answered_at < now() - $1::interval
           ORDER BY answered_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        UPDATE bus.answers AS a SET reply = ''::bytea FROM due
         WHERE a.tenant_id = ANY (ARRAY[due.tenant_id]) AND (a.scope, a.key) = (due.scope, due.key)
        """,
        SECRET_LIFETIME,
        PURGED_AT_ONCE,
    )
    return _rows(status)


async def delete_answers(conn: Connection) -> int:
    """Delete answers whose time is over; how many."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
          SELECT tenant_id, scope, key FROM bus.answers
           WHERE answered_at < now() - $1::interval ORDER BY answered_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM bus.answers AS a USING due
         WHERE a.tenant_id = ANY (ARRAY[due.tenant_id]) AND (a.scope, a.key) = (due.scope, due.key)
        """,
        ANSWER_LIFETIME,
        PURGED_AT_ONCE,
    )
    return _rows(status)


def _rows(status: str) -> int:
    return int(status.rsplit(maxsplit=1)[-1])
