"""Sessions of hosted pages, found by the digests of what the browser holds. Their time is system time."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.contracts.types import ChallengeId
from shared.db.connection import Connection, Record

OPENS_FOR = dt.timedelta(minutes=10)  # a one-time address
LASTS_FOR = dt.timedelta(minutes=20)  # a session, once it is opened; a challenge is good for ten
_KEPT_FOR = dt.timedelta(hours=1)  # after its end: so long its address says what became of it


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSession:
    """What a browser was sent here for."""

    tenant_id: UUID
    session_id: UUID
    kind: str
    account_id: str
    challenge_id: ChallengeId | None
    return_url: str
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession(PromptSession):
    """One that goes on. `tenant_now` is tenant time."""

    tenant_name: str
    tenant_now: dt.datetime


async def insert_session(conn: Connection, session: PromptSession, token_digest: bytes) -> dt.datetime:
    """Store one; returns until when its address can be opened."""
    expires_at: dt.datetime = await conn.fetchval(
        """
        INSERT INTO gateway.prompt_sessions (
               tenant_id, session_id, kind, account_id, challenge_id, return_url, state, token_digest, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::interval)
        RETURNING expires_at
        """,
        session.tenant_id,
        session.session_id,
        session.kind,
        session.account_id,
        session.challenge_id,
        session.return_url,
        session.state,
        token_digest,
        OPENS_FOR,
    )
    return expires_at


async def open_session(
    conn: Connection, tenant_id: UUID, session_id: UUID, *, token_digest: bytes, cookie_digest: bytes
) -> bool:
    """The address for the cookie, once. False: it is none, was used, or its time is over, or its account was erased."""
    return (
        await conn.fetchval(
            """
            UPDATE gateway.prompt_sessions AS s SET cookie_digest = $4, expires_at = now() + $5::interval
             WHERE s.tenant_id = $1 AND s.session_id = $2 AND s.token_digest = $3 AND s.cookie_digest IS NULL
               AND s.expires_at > now()
               AND NOT EXISTS (SELECT FROM policy.erased_accounts AS e
                                WHERE e.tenant_id = s.tenant_id AND e.account_id = s.account_id
                                  AND s.created_at <= e.erased_system_at OFFSET 0)
            RETURNING true
            """,
            tenant_id,
            session_id,
            token_digest,
            cookie_digest,
            LASTS_FOR,
        )
        is True
    )


async def find_session(conn: Connection, tenant_id: UUID, session_id: UUID, cookie_digest: bytes) -> OpenSession | None:
    """The session of this cookie; None: none goes on, its account was erased, or its tenant is suspended."""
    row = await conn.fetchrow(
        """
        SELECT s.tenant_id, s.session_id, s.kind, s.account_id, s.challenge_id, s.return_url, s.state,
               t.name AS tenant_name, policy.tenant_now(s.tenant_id) AS tenant_now
          FROM gateway.prompt_sessions AS s
          JOIN gateway.tenants AS t ON t.tenant_id = s.tenant_id
         WHERE s.tenant_id = $1 AND s.session_id = $2 AND s.cookie_digest = $3 AND s.expires_at > now()
           AND t.suspended_at IS NULL
           AND NOT EXISTS (SELECT FROM policy.erased_accounts AS e
                            WHERE e.tenant_id = s.tenant_id AND e.account_id = s.account_id
                              AND s.created_at <= e.erased_system_at OFFSET 0)
        """,
        tenant_id,
        session_id,
        cookie_digest,
    )
    return OpenSession(**_fields(row)) if row is not None else None


async def find_by_token(
    conn: Connection, tenant_id: UUID, session_id: UUID, token_digest: bytes
) -> PromptSession | None:
    """The session that an address belongs to, however it stands: whoever has the address may go back."""
    row = await conn.fetchrow(
        """
        SELECT tenant_id, session_id, kind, account_id, challenge_id, return_url, state
          FROM gateway.prompt_sessions WHERE tenant_id = $1 AND session_id = $2 AND token_digest = $3
        """,
        tenant_id,
        session_id,
        token_digest,
    )
    return PromptSession(**_fields(row)) if row is not None else None


async def purge_sessions(conn: Connection, *, limit: int = 5_000) -> int:
    """Delete those whose time is long over; returns how many."""
    status = await conn.execute(
        """
        DELETE FROM gateway.prompt_sessions
         WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM gateway.prompt_sessions WHERE expires_at < now() - $1::interval LIMIT $2))
        """,
        _KEPT_FOR,
        limit,
    )
    return int(status.split()[-1])


def _fields(row: Record) -> dict[str, Any]:
    found = row["challenge_id"]
    return {**dict(row), "challenge_id": ChallengeId(found) if found is not None else None}
