"""The audit log: how fast events that wait on its lane become entries of chains, and how fast chains are verified."""

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

import asyncpg

from services.cli.tenants import create_tenant
from services.cli.verification import verify
from shared.clock import host_now, monotonic
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.events import ChallengeIssued, ChallengeVerified, LoginDecided
from shared.contracts.types import ChallengeId, Decision, FactorId, Method, Purpose
from shared.ids import new_id
from shared.messaging.outbox import insert_messages
from shared.messaging.topology import AUDIT_EVENTS, LANES
from shared.messaging.unit_of_work import outbox_row
from shared.process import Core
from tests.bench.case import Case, Scene
from tests.bench.figures import Figures
from tests.bench.rig import Servers
from tests.bench.targets import at_least
from tests.bench.usage import Meter, settle
from tests.support.stack import Stack

FULL = 120_000  # events
TENANTS = 10
PEOPLE = 500  # of each tenant
AT_ONCE = 500  # events a transaction of ours
_POLL = 0.02  # seconds
_WITHIN = 900.0  # seconds


class ChainsWrong(Exception):
    """Not every event has its entry, or a chain does not verify."""


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """Everything is on the lane before audit is started: nothing else sets the pace."""
    servers, count = scene.servers, scene.size(FULL, least=300)
    tenants = [await create_tenant(servers.dsn, name="Acme Helpdesk", is_sandbox=False) for _ in range(TENANTS)]
    others = [lane for lane in LANES if lane != AUDIT_EVENTS]
    async with servers.stack() as stack:
        await settle(servers)
        before = await _more_entries(servers.dsn, than=-1)
        await stack.stop("audit")
        scene.tell(f"saying {count:,} events")
        async with servers.policy() as core:
            await _say(core, tenants, count)
            await settle(servers, lanes=others)
        scene.tell(f"appending {count:,} entries")
        yield await _append(servers, stack, before, count)
    scene.tell(f"verifying {count:,} entries")
    yield await _verify(servers, before + count)


async def _say(core: Core, tenants: Sequence[UUID], count: int) -> None:
    """As any service does: into the outbox, and after the commit on their way."""
    events = itertools.islice(_events(tenants), count)
    while batch := [outbox_row(envelope) for envelope in itertools.islice(events, AT_ONCE)]:
        async with core.database.transaction(tenants) as conn:
            await insert_messages(conn, batch)
        core.relay.hand_over(batch)
        await core.relay.catch_up(most=AT_ONCE)


def _events(tenants: Sequence[UUID]) -> Iterator[Envelope[Event]]:
    """Those of logins, of one person after another."""
    for number in itertools.count():
        tenant_id, account_id = tenants[number % len(tenants)], f"agent-{number // len(tenants) % PEOPLE:08}"
        challenge_id, now = ChallengeId(new_id()), host_now()
        until = now + dt.timedelta(minutes=10)
        for event in (
            ChallengeIssued(challenge_id=challenge_id, purpose=Purpose.SIGN_IN, expires_at=until),
            LoginDecided(
                purpose=Purpose.SIGN_IN,
                decision=Decision.CHALLENGE,
                reason="enrolled",
                challenge_id=challenge_id,
                expires_at=until,
                ip="192.0.2.7",
            ),
            ChallengeVerified(
                challenge_id=challenge_id, purpose=Purpose.SIGN_IN, method=Method.TOTP, factor_id=FactorId(new_id())
            ),
        ):
            yield begin(
                event, tenant_id=tenant_id, account_id=account_id, actor="helpdesk", source="/otp_worker", at=now
            )


async def _append(servers: Servers, stack: Stack, before: int, count: int) -> Figures:
    """From the first entry that is seen to the last: how long a process takes to start is another matter."""
    stack.start("audit")
    meter = Meter(servers, {"audit": stack.pid("audit")}, counts_messages=False)
    async with asyncio.timeout(_WITHIN):
        first = await _more_entries(servers.dsn, than=before)
        started = monotonic()
        at_first = await meter.look()
        last = await _more_entries(servers.dsn, than=before + count - 1)
        elapsed = monotonic() - started
    return Figures.counted("audit", "append", last - first, elapsed, (await meter.read()).since(at_first))


async def _verify(servers: Servers, entries: int) -> Figures:
    started = monotonic()
    found = await verify(servers.dsn, key_dir=servers.key_dir)
    elapsed = monotonic() - started
    read = sum(report.entries for report in found.reports)
    if not found.is_intact or read < entries:
        raise ChainsWrong(f"{read} entries of {entries}; intact: {found.is_intact}")
    return Figures(case="audit", at="verify", values={"operations": float(read), "rate": round(read / elapsed, 1)})


async def _more_entries(dsn: str, *, than: int) -> int:
    """How many there are as soon as there are more."""
    conn = await asyncpg.connect(dsn)
    try:
        while (entries := int(await conn.fetchval(_ENTRIES))) <= than:  # noqa: ASYNC110 - another process appends
            await asyncio.sleep(_POLL)
        return entries
    finally:
        await conn.close()


_ENTRIES = "SELECT coalesce(sum(seq), 0)::bigint FROM audit.heads"

CASE = Case(
    name="audit",
    what="appending to chains, from the lane to the commit, and verifying them",
    measure=measure,
    targets=(
        at_least(5_000, "a second", "entries appended", lambda run: run.value("audit", "append", "rate")),
        at_least(100_000, "a second", "entries verified", lambda run: run.value("audit", "verify", "rate")),
    ),
)
