"""A database with as many rows of each kind as one asks for: most of one tenant, the rest of two hundred others."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

OTHERS = 200  # tenants beside the large one

_IDS = """
CREATE FUNCTION pg_temp.past(n bigint, of_all bigint) RETURNS timestamptz LANGUAGE sql STABLE
RETURN now() - n * (interval '28 days' / of_all);
CREATE FUNCTION pg_temp.name(n bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'agent-' || lpad(n::text, 8, '0');
"""
_TENANTS = """
INSERT INTO gateway.tenants (tenant_id, name, is_sandbox)
SELECT id, 'Acme Helpdesk', true FROM unnest($1::uuid[]) AS id;
INSERT INTO policy.clocks (tenant_id, is_sandbox) SELECT id, true FROM unnest($1::uuid[]) AS id;
INSERT INTO policy.policies (tenant_id, version, policy, updated_at)
SELECT id, 1, '{}', now() FROM unnest($1::uuid[]) AS id;
INSERT INTO audit.heads (tenant_id) SELECT id FROM unnest($1::uuid[]) AS id;
INSERT INTO audit.tenant_keys (tenant_id, wrapped) SELECT id, 'x' FROM unnest($1::uuid[]) AS id;
INSERT INTO otp.tenant_keys (tenant_id, wrapped) SELECT id, 'x' FROM unnest($1::uuid[]) AS id;
INSERT INTO notifier.webhook_endpoints (tenant_id, endpoint_id, url, description, events, secret)
SELECT id, id, 'x', '', '{*}', 'x' FROM unnest($1::uuid[]) AS id;
"""
# `t` is the row's tenant, `n` its number, `a` its account, `at` an instant of the last four weeks, `id` a UUIDv7 of it.
_ROWS = {
    "policy.accounts (tenant_id, account_id, role, created_at, email_sealed, email_masked, email_digest)":
        "t, a, CASE WHEN n % 1000 = 0 THEN 'admin' ELSE 'agent' END, at, 'v1.k1.x', 'x', 'k1.x' || n",
    "policy.enforcements (tenant_id, account_id)": "t, a",
    "policy.erasures (tenant_id, account_id, erasure_id, told_at, erased_at, erased_system_at, cleared_at)":
        "t, 'gone-' || n, id, at, at, at, at",
    "policy.recovery_requests (tenant_id, recovery_id, account_id, state, challenge_id, challenge_opened_at,"
    " mailbox_masked, requested_at, draft_until, ended_at)": "t, id, a, 'cancelled', id, at, 'x', at, at, at",
    "policy.timers (timer_id, tenant_id, account_id, subject, kind, payload, correlation_id, causation_id, due_at)":
        "id, t, a, 'account:' || a, 'x', '{}', id, id, now() + n * interval '1 second'",
    "otp.account_keys (tenant_id, account_id, wrapped)": "t, a, 'x'",
    "otp.accounts (tenant_id, account_id)": "t, a",
    "otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, challenge_id, created_at)":
        "t, id, a, 'totp', 'active', 'mine', 'x', id, at",
    "otp.challenges (tenant_id, challenge_id, account_id, purpose, state, context, factor_epoch, created_at,"
    " expires_at, verified_at, verified_by, ended_at)":
        "t, id, a, CASE WHEN n % 10 = 0 THEN 'step_up' ELSE 'sign_in' END,"
        " CASE WHEN n % 100 = 1 THEN 'open' ELSE 'verified' END, 'x', 0, at,"
        " now() + interval '10 minutes', CASE WHEN n % 100 <> 1 THEN at END, CASE WHEN n % 100 <> 1 THEN 'totp' END,"
        " CASE WHEN n % 100 <> 1 THEN at END",
    "otp.codes (tenant_id, challenge_id, code_id, digest, created_at, expires_at)": "t, id, id, 'x', at, at",
    "otp.backup_codes (tenant_id, account_id, code_id, kind, slot, set_id, hash, created_at)":
        "t, a, id, 'backup_code', 1, id, 'x', at",
    "otp.trusted_devices (tenant_id, device_id, account_id, token_digest, name, method, factor_epoch, created_at,"
    " expires_at)": "t, id, a, sha256(a::bytea), 'x', 'totp', 0, at, at",
    "notifier.deliveries (tenant_id, delivery_id, account_id, channel, notification, state, destination, masked,"
    " language, time_zone, params, challenge_id, actor, command_id, correlation_id, ended_at)":
        "t, id, a, 'email', 'x', CASE WHEN n % 100 = 1 THEN 'queued' ELSE 'delivered' END, 'x', 'x', 'en', 'UTC', '{}',"
        " id, 'x', id, id, CASE WHEN n % 100 <> 1 THEN at END",
    "notifier.webhook_deliveries (tenant_id, endpoint_id, event_id, delivery_id, event_type, body, state, ended_at)":
        "t, t, id, id, 'x', 'x', CASE WHEN n % 100 = 1 THEN 'queued' ELSE 'delivered' END,"
        " CASE WHEN n % 100 <> 1 THEN at END",
    "notifier.sandbox_messages (tenant_id, delivery_id, account_id, channel, notification, content, sent_at)":
        "t, id, a, 'email', 'x', 'x', at",
    "audit.account_keys (tenant_id, account_id, salt, pseudonym, wrapped)":
        "t, a, sha256(a::bytea), sha256(a::bytea), 'x'",
    "audit.entries (tenant_id, seq, entry_id, kind, at, pseudonym, payload_digest, previous_hash, hash)":
        "t, n, id, 'x', at, sha256(a::bytea), sha256(a::bytea), sha256(a::bytea), sha256(a::bytea)",
    "audit.payloads (tenant_id, seq, entry_id, sealed)": "t, n, id, sha256(a::bytea)",
    "bus.outbox (message_id, routing_key, exchange, tenant_id, body, created_at, published_at)":
        "id, 'x', 'deskfactor.events', t, 'x', at, CASE WHEN n % 100 <> 1 THEN at END",
    "bus.inbox (consumer, message_id)": "'x', id",
    "bus.answers (tenant_id, scope, key, fingerprint, reply, holds_secret, answered_at)":
        "t, 'POST /v1/logins', id::text, 'x', 'x', false, now()",
    "bus.dead_letters (message_id, lane, reason, tenant_id, attempts, body, first_seen_at, discarded_at)":
        "id, 'policy.commands', 'x', t, 1, 'x', at, at",
    "bus.lane_messages (id, lane, message_id, body)":
        "id, CASE WHEN n % 2 = 0 THEN 'policy.commands' ELSE 'otp.commands' END, id, 'x'",
    "gateway.accepted_events (tenant_id, digest, message_id)": "t, sha256(a::bytea), id",
    "gateway.prompt_sessions (tenant_id, session_id, kind, account_id, return_url, token_digest, expires_at)":
        "t, id, 'enrol', a, 'x', sha256(a::bytea), now() + interval '10 minutes'",
    "gateway.api_keys (tenant_id, key_id, digest, name, hint, scopes)": "t, id, sha256(a::bytea), 'x', 'x', '{}'",
}  # fmt: skip
_FILL = """
INSERT INTO {table}
SELECT {values}
  FROM (SELECT n, CASE WHEN n % 10 = 0 THEN ($1::uuid[])[2 + n / 10 % {others}] ELSE ($1::uuid[])[1] END AS t,
               pg_temp.name(n) AS a, pg_temp.past(n, $2) AS at, bus.id_floor(pg_temp.past(n, $2)) AS id
          FROM generate_series(1, $2::bigint) AS n) AS each
"""


async def fill(conn: "asyncpg.Connection[asyncpg.Record]", rows: int, *, but: Collection[str] = ()) -> UUID:
    """So many rows in each table that grows, nine tenths of them the large tenant's; returns its id.

    ``but``: these get a hundredth of it, where the time for all is not there.
    """
    tenants = [row[0] for row in await conn.fetch("SELECT gen_random_uuid() FROM generate_series(0, $1)", OTHERS)]
    await conn.execute(_IDS)
    async with conn.transaction():  # one instant, and so one id, for the rows of one number
        for statement in _TENANTS.strip().split(";\n"):
            await conn.execute(statement, tenants)
        for table, values in _ROWS.items():
            statement = _FILL.format(table=table, values=values, others=OTHERS)
            its_rows = rows // 100 if table.partition(" ")[0] in but else rows
            await conn.execute(statement, tenants, its_rows, timeout=300)
    found: UUID = tenants[0]
    return found
