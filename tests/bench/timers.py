"""A million timers wait, 100,000 of them are due at once, on four replicas: none is early, none fires twice."""

import asyncio
import datetime as dt
import functools
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg

from services.cli.tenants import create_tenant
from services.policy.domain.requirement import StoredPolicy
from services.policy.handlers.timers import fire_due_timers
from services.policy.queries.policies import store_policy
from shared.clock import host_now, monotonic
from shared.contracts.commands import LockOutAccount, RemindOfEnforcement
from shared.contracts.events import EnforcementLockedOut
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.requirement import Covered
from shared.contracts.types import Role
from shared.process import Core
from tests.bench.case import Case, Scene
from tests.bench.figures import Figures, Results
from tests.bench.load import Samples
from tests.bench.targets import at_most
from tests.bench.usage import Meter, settle

PENDING = (10_000, 100_000, 1_000_000)
DUE = 100_000
TENANTS = 20
REPLICAS = 4  # of what fires, and of what handles what was fired
POLLS = 500
_POLL = 0.1  # seconds
_WITHIN = 1_800.0  # seconds, to find out how long it takes where it takes too long
_AT_ONCE = f"{DUE:,} due at once"


class NotReady(Exception):
    """The timers were due before all of them were there."""


class FiredWrongly(Exception):
    """A timer was early, or fired twice, or had no effect: how fast is nothing to speak of."""


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """Polls while nothing is due, at each size; then all at once."""
    servers = scene.servers
    due = scene.size(DUE, least=100)
    async with servers.policy() as core:
        tenants = [await create_tenant(servers.dsn, name="Acme Helpdesk", is_sandbox=False) for _ in range(TENANTS)]
        there = 0
        for size in PENDING[:-1]:
            scene.tell(f"idle polls beside {size:,} timers")
            await _arm(servers.dsn, tenants, first=there, count=scene.size(size, least=100) - there)
            there = scene.size(size, least=100)
            yield await _idle_polls(core, size)
        rest = max(scene.size(PENDING[-1], least=300) - there - due, 0)
        await _arm(servers.dsn, tenants, first=there, count=rest)
        async with servers.stack(replicas={"timers": REPLICAS, "policy": REPLICAS}) as stack:
            at = host_now() + dt.timedelta(seconds=15 + due / 2_000)
            scene.tell(f"arming {due:,} for {at:%H:%M:%S}")
            await _lock_out_at(servers.dsn, core, tenants, at, due)
            yield await _idle_polls(core, PENDING[-1])
            await settle(servers)
            meter = Meter(servers, stack.pids())
            before = await meter.read()
            scene.tell(f"{due:,} due at once")
            handled = await _until_all_are_handled(servers.dsn, at, due)
            used = (await meter.read()).since(before)
            fired = await _check(servers.dsn, at, due)
            more = {"fired_after_s": round(fired, 2), "handled_after_s": round(handled, 2)}
            yield Figures.counted("timers", _AT_ONCE, due, handled, used, more=more)


async def _idle_polls(core: Core, size: int) -> Figures:
    samples = Samples()
    begun = monotonic()
    for _ in range(POLLS):
        started = monotonic()
        fired = await fire_due_timers(core.database, core.relay, host_now())
        samples.seconds.append(monotonic() - started)
        if fired:
            raise FiredWrongly(f"{fired} timers were early")
    samples.elapsed = monotonic() - begun
    values = {f"p{each}": round(samples.percentile(each), 3) for each in (50, 95, 99)}
    return Figures(case="timers", at=_idle(size), values=values)


async def _arm(dsn: str, tenants: list[UUID], *, first: int, count: int) -> None:
    """Reminders of next year."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(_ARM, tenants, first, count, RemindOfEnforcement.type, timeout=900)
        await conn.execute("VACUUM ANALYZE policy.timers", timeout=900)
    finally:
        await conn.close()


async def _lock_out_at(dsn: str, core: Core, tenants: list[UUID], at: dt.datetime, due: int) -> None:
    """Accounts of tenants whose policy locks everybody out at one date, with the timers that announce it."""
    since = host_now() - dt.timedelta(days=20)
    policy = Policy(
        required=Requirement(scope=Scope.ALL), grace_days=None, grace_until=at, after_grace=AfterGrace.LOCK_OUT
    )
    stored = StoredPolicy(version=1, policy=policy, requirements={Role.AGENT: Covered(since)}, updated_at=since)
    for tenant_id in tenants:
        async with core.database.transaction([tenant_id]) as transaction:
            await store_policy(transaction, tenant_id, stored)
    payload = LockOutAccount(deadline=at).model_dump_json()
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(_ACCOUNTS, tenants, due, since - dt.timedelta(days=10), timeout=900)
        await conn.execute(_LOCKS, tenants, due, LockOutAccount.type, payload, at, timeout=900)
        await conn.execute("VACUUM ANALYZE policy.timers", timeout=900)
        await conn.execute("VACUUM ANALYZE policy.accounts", timeout=900)
    finally:
        await conn.close()
    if host_now() > at - dt.timedelta(seconds=5):
        raise NotReady


async def _until_all_are_handled(dsn: str, at: dt.datetime, due: int) -> float:
    """Seconds after ``at``. Looks at what was done, not at what was said."""
    conn = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(_WITHIN):
            while True:
                [row] = await conn.fetch(_LOCKED, at)
                if row["locked"] >= due:
                    return float(row["seconds"])
                await asyncio.sleep(_POLL)
    finally:
        await conn.close()


async def _check(dsn: str, at: dt.datetime, due: int) -> float:
    """Seconds after ``at`` at which the last was published. Raises `FiredWrongly`."""
    conn = await asyncpg.connect(dsn)
    try:
        early = await conn.fetchval(_EARLY, at)
        [said] = await conn.fetch(_SAID, LockOutAccount.lane, f'"type":"{LockOutAccount.type}"')
        [happened] = await conn.fetch(_SAID, EnforcementLockedOut.type, EnforcementLockedOut.type)
        fired = await conn.fetchval(_LAST_FIRED, LockOutAccount.lane, at)
    finally:
        await conn.close()
    if early or tuple(said) != (due, due) or tuple(happened) != (due, due):
        raise FiredWrongly(f"{early} early; {tuple(said)} commands and {tuple(happened)} locks for {due} timers")
    return float(fired)


def _poll(run: Results, size: int) -> float:
    return run.value("timers", _idle(size), "p50")


def _idle(size: int) -> str:
    return f"idle, {size:,} pending"


_ARM = """
INSERT INTO policy.timers
       (timer_id, tenant_id, account_id, subject, kind, payload, correlation_id, causation_id, due_at)
SELECT gen_random_uuid(), ($1::uuid[])[n % cardinality($1) + 1], 'later-' || n, 'later-' || n, $4,
       jsonb_build_object('stage', 'first', 'deadline', now() + interval '1 year'), gen_random_uuid(),
       gen_random_uuid(), now() + interval '300 days' + n * interval '1 second'
  FROM generate_series($2::integer, $2::integer + $3::integer - 1) AS n
"""
_ACCOUNTS = """
INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
SELECT ($1::uuid[])[n % cardinality($1) + 1], 'agent-' || n, 'agent', $3 FROM generate_series(1, $2::integer) AS n
"""
_LOCKS = """
INSERT INTO policy.timers
       (timer_id, tenant_id, account_id, subject, kind, payload, correlation_id, causation_id, due_at)
SELECT gen_random_uuid(), ($1::uuid[])[n % cardinality($1) + 1], 'agent-' || n, 'agent-' || n, $3, $4::jsonb,
       gen_random_uuid(), gen_random_uuid(), $5
  FROM generate_series(1, $2::integer) AS n
"""
_LOCKED = """
SELECT count(*) AS locked, extract(epoch FROM now() - $1)::float8 AS seconds
  FROM policy.enforcements WHERE locked_out_at IS NOT NULL
"""
_LAST_FIRED = """
SELECT extract(epoch FROM max(published_at) - $2)::float8 FROM bus.outbox WHERE routing_key = $1
"""
_EARLY = """
SELECT (SELECT count(*) FROM policy.timers WHERE state = 'fired' AND ended_at < due_at)
     + (SELECT count(*) FROM policy.enforcements WHERE locked_out_at < $1)
"""
_SAID = """
SELECT count(*), count(DISTINCT (tenant_id, convert_from(body, 'UTF8')::jsonb ->> 'subject'))
  FROM bus.outbox WHERE routing_key = $1 AND position(convert_to($2, 'UTF8') IN body) > 0
"""

CASE = Case(
    name="timers",
    what="1,000,000 timers wait; 100,000 are due at once, on four replicas; in between, looks at nothing to do",
    measure=measure,
    targets=(
        at_most(30, "s", "all fired and published", lambda run: run.value("timers", _AT_ONCE, "fired_after_s")),
        at_most(30, "s", "all handled, end to end", lambda run: run.value("timers", _AT_ONCE, "handled_after_s")),
        *(
            at_most(1, "ms", f"an idle poll beside {size:,} (p50)", functools.partial(_poll, size=size))
            for size in PENDING
        ),
    ),
)
