"""The floor: the same verify in one process, one transaction of its own, straight on PostgreSQL and without a broker.

What a developer would write without us, and well: the same checks (key, body, attempts, expiry, throttle, code, step),
the same rows (attempt and verdict, used step, last success, event, answer), the same signed assertion.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from aiohttp import web
from pydantic import ValidationError

from services.gateway.api.bodies import VerifyBody
from services.otp_worker.adapters.assertions import AssertionSigner
from services.otp_worker.domain.totp import RightStep, compare
from shared.contracts.types import ChallengeId, Method, Purpose
from shared.crypto.keyring import load_ring
from shared.crypto.sealing import Place, decrypt, encrypt
from shared.ids import new_id
from tests.bench.crowd import Crowd, Member

MOST_ATTEMPTS = 5

_SCHEMA = """
CREATE SCHEMA floor;
CREATE TABLE floor.accounts (
  tenant_id uuid, account_id text, is_active boolean NOT NULL, failures integer NOT NULL DEFAULT 0,
  throttled_until timestamptz, last_success_at timestamptz, PRIMARY KEY (tenant_id, account_id)) WITH (fillfactor = 80);
CREATE TABLE floor.factors (
  tenant_id uuid, factor_id uuid, account_id text NOT NULL, seed bytea NOT NULL, last_step bigint,
  last_used_at timestamptz, PRIMARY KEY (tenant_id, factor_id)) WITH (fillfactor = 80);
CREATE INDEX ON floor.factors (tenant_id, account_id);
CREATE TABLE floor.challenges (
  tenant_id uuid, challenge_id uuid, account_id text NOT NULL, state text NOT NULL, attempts integer NOT NULL,
  expires_at timestamptz NOT NULL, verified_at timestamptz, PRIMARY KEY (tenant_id, challenge_id))
  WITH (fillfactor = 80);
CREATE TABLE floor.events (
  tenant_id uuid, event_id uuid, type text NOT NULL, account_id text NOT NULL, data jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, event_id));
CREATE TABLE floor.answers (
  tenant_id uuid, scope text, key text, fingerprint bytea NOT NULL, reply bytea NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, scope, key));
"""
_LOAD = """
SELECT c.account_id, c.state, c.attempts, c.expires_at, a.is_active, a.throttled_until, f.factor_id, f.seed,
       f.last_step, now() AS now
  FROM floor.challenges AS c
  JOIN floor.accounts AS a ON a.tenant_id = c.tenant_id AND a.account_id = c.account_id
  JOIN floor.factors AS f ON f.tenant_id = c.tenant_id AND f.account_id = c.account_id
 WHERE c.tenant_id = $1 AND c.challenge_id = $2
   FOR NO KEY UPDATE OF c
"""
_ACCEPT = """
WITH challenge AS (
  UPDATE floor.challenges SET state = 'verified', attempts = attempts + 1, verified_at = now()
   WHERE tenant_id = $1 AND challenge_id = $2 AND state = 'open' RETURNING 1
), factor AS (
  UPDATE floor.factors SET last_step = $5, last_used_at = now()
   WHERE tenant_id = $1 AND factor_id = $4 AND (last_step IS NULL OR last_step < $5) RETURNING 1
), account AS (
  UPDATE floor.accounts SET failures = 0, last_success_at = now() WHERE tenant_id = $1 AND account_id = $3
), event AS (
  INSERT INTO floor.events (tenant_id, event_id, type, account_id, data)
  VALUES ($1, $6, 'challenge.verified', $3, $7)
), answer AS (
  INSERT INTO floor.answers (tenant_id, scope, key, fingerprint, reply) VALUES ($1, $8, $9, $10, $11)
)
SELECT (SELECT count(*) FROM challenge) + (SELECT count(*) FROM factor)
"""
_REJECT = """
UPDATE floor.challenges SET attempts = attempts + 1 WHERE tenant_id = $1 AND challenge_id = $2 AND state = 'open'
"""


async def settle(dsn: str, key_dir: str, crowd: Crowd) -> None:
    """The same people for the floor, in tables of its own."""
    key = load_ring(Path(key_dir), "rest").active
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(_SCHEMA)
        await _copy(
            conn,
            "accounts",
            ("tenant_id", "account_id", "is_active"),
            [(crowd.tenant_id, each.account_id, True) for each in crowd.members],
        )
        await _copy(
            conn,
            "factors",
            ("tenant_id", "factor_id", "account_id", "seed"),
            [
                (
                    crowd.tenant_id,
                    each.factor_id,
                    each.account_id,
                    encrypt(key, each.seed, _place(crowd.tenant_id, each)),
                )
                for each in crowd.members
            ],
        )
        await conn.execute("VACUUM ANALYZE", timeout=600)
    finally:
        await conn.close()


async def open_challenges(dsn: str, crowd: Crowd, members: Sequence[Member]) -> list[UUID]:
    """A challenge that waits for a code, for each of these."""
    ids = [new_id() for _ in members]
    conn = await asyncpg.connect(dsn)
    try:
        until = await conn.fetchval("SELECT now() + interval '10 minutes'")
        rows = [
            (crowd.tenant_id, each, member.account_id, "open", 0, until)
            for each, member in zip(ids, members, strict=True)
        ]
        await _copy(
            conn, "challenges", ("tenant_id", "challenge_id", "account_id", "state", "attempts", "expires_at"), rows
        )
        await conn.execute("ANALYZE floor.challenges", timeout=600)
    finally:
        await conn.close()
    return ids


async def _copy(
    conn: "asyncpg.Connection[asyncpg.Record]", table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    await conn.copy_records_to_table(table, schema_name="floor", columns=list(columns), records=rows, timeout=600)


def _place(tenant_id: UUID, member: Member) -> Place:
    return Place(
        tenant_id=tenant_id, account_id=member.account_id, purpose="floor", record=str(member.factor_id), field="seed"
    )


class Floor:
    """The one handler."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", key_dir: str, callers: dict[bytes, UUID]) -> None:
        """``callers``: tenants by the digest of their API key; looked up once and kept, as our gateway does."""
        self._pool = pool
        self._rest = load_ring(Path(key_dir), "rest").active
        self._signer = AssertionSigner(load_ring(Path(key_dir), "sign.assertion"))
        self._callers = callers

    async def verify(self, request: web.Request) -> web.Response:
        """`POST /v1/challenges/{challenge_id}/verify`."""
        scheme, _, api_key = request.headers.get("Authorization", "").partition(" ")
        tenant_id = self._callers.get(hashlib.sha256(api_key.encode()).digest())
        key = request.headers.get("Idempotency-Key")
        if scheme != "Bearer" or tenant_id is None:
            return _refused(401, "unauthorized")
        if not key:
            return _refused(400, "idempotency_key_missing")
        raw = await request.read()
        try:
            body = VerifyBody.model_validate_json(raw, strict=True)
            challenge_id = UUID(request.match_info["challenge_id"])
        except (ValidationError, ValueError):
            return _refused(422, "validation_failed")
        if body.code is None:
            return _refused(422, "code_malformed")
        fingerprint = hashlib.sha256(raw).digest()
        try:
            return await self._judge(tenant_id, challenge_id, body.code, request.path, key, fingerprint)
        except asyncpg.UniqueViolationError:
            return await self._again(tenant_id, request.path, key, fingerprint)

    async def _judge(
        self, tenant_id: UUID, challenge_id: UUID, code: str, scope: str, key: str, fingerprint: bytes
    ) -> web.Response:
        async with self._pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_LOAD, tenant_id, challenge_id)
            if row is None:
                return _refused(404, "challenge_not_found")
            if row["state"] != "open" or row["expires_at"] <= row["now"] or row["attempts"] >= MOST_ATTEMPTS:
                return _refused(409, "challenge_not_open")
            if not row["is_active"] or (row["throttled_until"] and row["throttled_until"] > row["now"]):
                return _refused(429, "throttled")
            place = Place(
                tenant_id=tenant_id,
                account_id=row["account_id"],
                purpose="floor",
                record=str(row["factor_id"]),
                field="seed",
            )
            seed = decrypt(self._rest, row["seed"], place)
            found = compare(seed, code, now=row["now"], last_step=row["last_step"], burnt_steps=(), may_hint=False)
            if not isinstance(found, RightStep):
                await conn.execute(_REJECT, tenant_id, challenge_id)
                return _refused(422, "code_wrong")
            assertion = self._signer.sign(
                tenant_id=tenant_id,
                account_id=row["account_id"],
                challenge_id=ChallengeId(challenge_id),
                purpose=Purpose.SIGN_IN,
                method=Method.TOTP,
                at=row["now"],
            )
            reply = json.dumps({"status": "verified", "method": "totp", "assertion": assertion}).encode()
            event = json.dumps(
                {"challenge_id": str(challenge_id), "method": "totp", "factor_id": str(row["factor_id"])}
            )
            stored = await conn.fetchval(
                _ACCEPT,
                tenant_id,
                challenge_id,
                row["account_id"],
                row["factor_id"],
                found.step,
                new_id(),
                event,
                scope,
                key,
                fingerprint,
                reply,
            )
            if stored != 2:
                raise RuntimeError("a row was not as it was read")
        return web.Response(body=reply, content_type="application/json")

    async def _again(self, tenant_id: UUID, scope: str, key: str, fingerprint: bytes) -> web.Response:
        row = await self._pool.fetchrow(
            "SELECT fingerprint, reply FROM floor.answers WHERE tenant_id = $1 AND scope = $2 AND key = $3",
            tenant_id,
            scope,
            key,
        )
        if row is None or row["fingerprint"] != fingerprint:
            return _refused(422, "idempotency_key_reused")
        return web.Response(body=row["reply"], content_type="application/json")


def _refused(status: int, code: str) -> web.Response:
    return web.json_response({"code": code}, status=status)


async def _application(dsn: str, key_dir: str) -> web.Application:
    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10)
    callers = {
        bytes(row["digest"]): row["tenant_id"]
        for row in await pool.fetch("SELECT digest, tenant_id FROM gateway.api_keys")
    }
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_post("/v1/challenges/{challenge_id}/verify", Floor(pool, key_dir, callers).verify)
    return app


if __name__ == "__main__":
    dsn, key_dir, port = sys.argv[1:]
    uvloop.install()
    web.run_app(_application(dsn, key_dir), host="127.0.0.1", port=int(port), access_log=None, print=None)
