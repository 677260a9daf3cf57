"""The floor: the same login and verify in one process, one transaction each, straight on PostgreSQL, without a broker.

What a developer would write without us, and well: the same checks (key, body, account, policy, factors, open
challenges; attempts, expiry, throttle, code, step), the same rows (challenge; attempt and verdict, used step, last
success; events, answer), the same signed assertion. It has no chain over its events and tells nobody of them.
"""

import datetime as dt
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import uvloop
from aiohttp import web
from pydantic import ValidationError

from services.gateway.api.bodies import LoginBody, VerifyBody
from services.otp_worker.adapters.assertions import AssertionSigner
from services.otp_worker.domain.totp import RightStep, compare
from shared.contracts.types import ChallengeId, Method, Purpose
from shared.crypto.keyring import load_ring
from shared.crypto.sealing import decrypt
from shared.ids import new_id
from tests.bench.floor_tables import seed_place

MOST_ATTEMPTS = 5
MOST_OPEN = 3
LIFETIME = dt.timedelta(minutes=10)

_LOAD_ACCOUNT = """
SELECT a.is_active, a.throttled_until, p.methods, p.is_required, now() AS now
  FROM floor.accounts AS a JOIN floor.policies AS p USING (tenant_id)
 WHERE a.tenant_id = $1 AND a.account_id = $2
   FOR NO KEY UPDATE OF a
"""
_LOAD_FACTORS = """
SELECT factor_id, type, name FROM floor.factors
 WHERE tenant_id = $1 AND account_id = $2 AND type = ANY ($3) ORDER BY last_used_at DESC NULLS LAST
"""
_LOAD_OPEN = """
SELECT challenge_id, context, expires_at FROM floor.challenges
 WHERE tenant_id = $1 AND account_id = $2 AND state = 'open' AND expires_at > now()
"""
_ISSUE = """
WITH challenge AS (
  INSERT INTO floor.challenges (tenant_id, challenge_id, account_id, state, context, expires_at)
  SELECT $1, $2, $3, 'open', $4, $5 WHERE $6
), issued AS (
  INSERT INTO floor.events (tenant_id, event_id, type, account_id, data)
  SELECT $1, $7, 'challenge.issued', $3, $8 WHERE $6
), decided AS (
  INSERT INTO floor.events (tenant_id, event_id, type, account_id, data) VALUES ($1, $9, 'login.decided', $3, $10)
)
INSERT INTO floor.answers (tenant_id, scope, key, fingerprint, reply) VALUES ($1, $11, $12, $13, $14)
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


@dataclass(frozen=True, slots=True)
class _Asked:
    tenant_id: UUID
    scope: str
    key: str
    raw: bytes
    fingerprint: bytes


class Floor:
    """The two handlers."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", key_dir: str, callers: dict[bytes, UUID]) -> None:
        """``callers``: tenants by the digest of their API key; looked up once and kept, as our gateway does."""
        self._pool = pool
        self._rest = load_ring(Path(key_dir), "rest").active
        self._signer = AssertionSigner(load_ring(Path(key_dir), "sign.assertion"))
        self._callers = callers

    async def verify(self, request: web.Request) -> web.Response:
        """`POST /v1/challenges/{challenge_id}/verify`."""
        asked = await self._read(request)
        if isinstance(asked, web.Response):
            return asked
        try:
            body = VerifyBody.model_validate_json(asked.raw, strict=True)
            challenge_id = UUID(request.match_info["challenge_id"])
        except (ValidationError, ValueError):
            return _refused(422, "validation_failed")
        if body.code is None:
            return _refused(422, "code_malformed")
        try:
            return await self._judge(asked, challenge_id, body.code)
        except asyncpg.UniqueViolationError:
            return await self._again(asked)

    async def login(self, request: web.Request) -> web.Response:
        """`POST /v1/logins`."""
        asked = await self._read(request)
        if isinstance(asked, web.Response):
            return asked
        try:
            body = LoginBody.model_validate_json(asked.raw, strict=True)
        except ValidationError:
            return _refused(422, "validation_failed")
        try:
            return await self._start(asked, body)
        except asyncpg.UniqueViolationError:
            return await self._again(asked)

    async def _read(self, request: web.Request) -> "_Asked | web.Response":
        """Who asks, for what, under which key."""
        scheme, _, api_key = request.headers.get("Authorization", "").partition(" ")
        tenant_id = self._callers.get(hashlib.sha256(api_key.encode()).digest())
        key = request.headers.get("Idempotency-Key")
        if scheme != "Bearer" or tenant_id is None:
            return _refused(401, "unauthorized")
        if not key:
            return _refused(400, "idempotency_key_missing")
        raw = await request.read()
        return _Asked(tenant_id, request.path, key, raw, hashlib.sha256(raw).digest())

    async def _start(self, asked: "_Asked", body: LoginBody) -> web.Response:
        context = hashlib.sha256(f"{body.context.ip}\n{body.context.user_agent}".encode()).digest()
        async with self._pool.acquire() as conn, conn.transaction():
            account = await conn.fetchrow(_LOAD_ACCOUNT, asked.tenant_id, body.account_id)
            if account is None:
                return _refused(404, "account_not_found")
            if not account["is_active"]:
                return _refused(403, "account_inactive")
            factors = await conn.fetch(_LOAD_FACTORS, asked.tenant_id, body.account_id, account["methods"])
            if not factors:
                return _refused(403, "enrol" if account["is_required"] else "allow")
            opened = await conn.fetch(_LOAD_OPEN, asked.tenant_id, body.account_id)
            alike = next((each for each in opened if each["context"] == context), None)
            if alike is None and len(opened) >= MOST_OPEN:
                return _refused(429, "too_many_challenges")
            challenge_id = alike["challenge_id"] if alike is not None else new_id()
            expires_at = alike["expires_at"] if alike is not None else account["now"] + LIFETIME
            offered = [{"id": str(each["factor_id"]), "type": each["type"], "name": each["name"]} for each in factors]
            throttled = account["throttled_until"]
            view = {
                "id": str(challenge_id),
                "purpose": "sign_in",
                "state": "open",
                "expires_at": expires_at.isoformat(),
                "throttled_until": throttled.isoformat() if throttled else None,
                "factors": offered,
            }
            reply = json.dumps({"decision": "challenge", "reason": "has_factor", "challenge": view}).encode()
            issued = json.dumps({"challenge_id": str(challenge_id), "purpose": "sign_in", "factors": offered})
            decided = json.dumps(
                {
                    "challenge_id": str(challenge_id),
                    "decision": "challenge",
                    "ip": body.context.ip,
                    "purpose": "sign_in",
                }
            )
            await conn.execute(
                _ISSUE,
                asked.tenant_id,
                challenge_id,
                body.account_id,
                context,
                expires_at,
                alike is None,
                new_id(),
                issued,
                new_id(),
                decided,
                asked.scope,
                asked.key,
                asked.fingerprint,
                reply,
            )
        return web.Response(body=reply, content_type="application/json")

    async def _judge(self, asked: "_Asked", challenge_id: UUID, code: str) -> web.Response:
        tenant_id = asked.tenant_id
        async with self._pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_LOAD, tenant_id, challenge_id)
            if row is None:
                return _refused(404, "challenge_not_found")
            if row["state"] != "open" or row["expires_at"] <= row["now"] or row["attempts"] >= MOST_ATTEMPTS:
                return _refused(409, "challenge_not_open")
            if not row["is_active"] or (row["throttled_until"] and row["throttled_until"] > row["now"]):
                return _refused(429, "throttled")
            place = seed_place(tenant_id, row["account_id"], row["factor_id"])
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
                asked.scope,
                asked.key,
                asked.fingerprint,
                reply,
            )
            if stored != 2:
                raise RuntimeError("a row was not as it was read")
        return web.Response(body=reply, content_type="application/json")

    async def _again(self, asked: "_Asked") -> web.Response:
        row = await self._pool.fetchrow(
            "SELECT fingerprint, reply FROM floor.answers WHERE tenant_id = $1 AND scope = $2 AND key = $3",
            asked.tenant_id,
            asked.scope,
            asked.key,
        )
        if row is None or row["fingerprint"] != asked.fingerprint:
            return _refused(422, "idempotency_key_reused")
        return web.Response(body=row["reply"], content_type="application/json")


def _refused(status: int, code: str) -> web.Response:
    return web.json_response({"code": code}, status=status)


async def _leave_as_it_is(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing is set in a session: undoing it would be a round trip for each request."""


async def _application(dsn: str, key_dir: str) -> web.Application:
    pool = await asyncpg.create_pool(dsn, min_size=10, max_size=10, reset=_leave_as_it_is)
    callers = {
        bytes(row["digest"]): row["tenant_id"]
        for row in await pool.fetch("SELECT digest, tenant_id FROM gateway.api_keys")
    }
    floor = Floor(pool, key_dir, callers)
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_post("/v1/logins", floor.login)
    app.router.add_post("/v1/challenges/{challenge_id}/verify", floor.verify)
    return app


if __name__ == "__main__":
    dsn, key_dir, port = sys.argv[1:]
    uvloop.install()
    web.run_app(
        _application(dsn, key_dir),
        host="127.0.0.1",
        port=int(port),
        access_log=None,
        print=None,
        shutdown_timeout=1.0,  # seconds; of itself it waits a minute for what still goes on
    )
