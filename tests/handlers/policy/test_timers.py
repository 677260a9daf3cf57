"""The timer engine: never early by either clock, each timer once, any number of engines."""

import asyncio
import datetime as dt
from collections import Counter
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.policy.app import serve_timers
from services.policy.domain.timer import Timer
from services.policy.handlers.timers import AT_MOST, LONGEST_SLEEP, fire_due_timers, pause_until_next, purge_timers
from services.policy.queries.clocks import hold_clock
from services.policy.queries.timers import arm_timers, cancel_timers, claim_due_timers
from services.policy.settings import PolicySettings
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.commands import FinishRecovery, MoveClock, RemindOfEnforcement, RemindOfRecovery
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import RecoveryId
from shared.ids import new_id
from shared.settings import load_settings
from tests.handlers.policy.conftest import OpenService, Service
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

SECOND = dt.timedelta(seconds=1)


def finish(at: dt.datetime, recovery_id: UUID | None = None) -> Timer:
    """A timer of a recovery of its own."""
    own = RecoveryId(recovery_id or new_id())
    return Timer(command=FinishRecovery(recovery_id=own), account_id="ann", subject=str(own), at=at)


async def arm(service: Service, *timers: Timer) -> None:
    """As a handler does."""
    cause = service.envelope(MoveClock(advance_seconds=1))
    async with service.database.transaction([service.tenant_id]) as conn:
        await arm_timers(conn, cause, timers)


async def fire(service: Service, host: dt.datetime | None = None) -> int:
    """One round of an engine."""
    return await fire_due_timers(service.database, service.deps.relay, host or host_now())


async def fired(service: Service) -> list[Envelope[FinishRecovery]]:
    """What was said."""
    return await service.said(FinishRecovery)


@pytest.fixture(autouse=True)
async def nothing_is_pending(service: Service) -> None:
    """Engines work for every tenant: what another test left would be fired here."""
    await service.admin.execute("DELETE FROM policy.timers")


async def test_a_due_timer_says_its_command(service: Service) -> None:
    """With the account it is about and the chain of what set it off, by the system."""
    timer = finish(await service.now() - SECOND)
    await arm(service, timer)
    assert await fire(service) == 1
    [said] = await fired(service)
    assert (said.data, said.account_id, said.actor) == (timer.command, "ann", "system")
    assert said.correlation_id != said.id
    assert await fire(service) == 0


async def test_a_timer_is_never_early(service: Service) -> None:
    """One millisecond before its instant nothing happens."""
    await arm(service, finish(await service.now() + dt.timedelta(hours=1)))
    assert await fire(service, host_now() + dt.timedelta(days=1)) == 0
    assert await fired(service) == []


async def test_a_hosts_clock_that_is_behind_holds_a_timer_back(service: Service) -> None:
    """A database whose clock has jumped ahead must not open an account: both clocks have to agree."""
    due = await service.now() - SECOND
    await arm(service, finish(due))
    assert await fire(service, due - dt.timedelta(microseconds=1)) == 0
    assert await fire(service, due) == 1


async def test_what_is_due_at_one_instant_comes_tenant_by_tenant(
    service: Service, open_service: OpenService, dsn: str
) -> None:
    """Handlers take a page of one tenant at a time: of twenty helpdesks with one deadline a page would be of a few."""
    other = open_service(await new_tenant(dsn))
    at = await service.now() - SECOND
    for _ in range(10):
        await arm(service, finish(at))
        await arm(other, finish(at))
    async with service.database.transaction(work_queues=True) as conn:
        claimed = await claim_due_timers(conn, host_now=host_now(), at_most=10)
    assert {timer.tenant_id for timer in claimed} == {min(service.tenant_id, other.tenant_id)}


async def test_each_timer_of_a_page_is_told_its_own_tenants_time(
    service: Service, open_service: OpenService, dsn: str
) -> None:
    """It is asked for once a tenant: the notice of one whose clock was moved must not bear the time of another's."""
    other = open_service(await new_tenant(dsn))
    await service.move(3600)
    for each in (service, other, service, other, service):
        await arm(each, finish(await each.now() - SECOND))
    assert await fire(service) == 5
    [theirs] = {said.time for said in await fired(other)}
    assert [said.time for said in await fired(service)] == [theirs + dt.timedelta(hours=1)] * 3


async def test_asked_again_a_timer_is_replaced(service: Service) -> None:
    """One pending timer a kind and subject, the one armed last; one that has fired is no longer in the way."""
    now, own = await service.now(), new_id()
    await arm(service, finish(now - SECOND, own))
    await arm(service, finish(now + dt.timedelta(hours=1), own))
    assert await fire(service) == 0
    await arm(service, finish(now - SECOND, own))
    assert await fire(service) == 1
    await arm(service, finish(now - SECOND, own))
    assert await fire(service) == 1


async def test_kinds_and_subjects_are_apart(service: Service) -> None:
    """The stages of a recovery wait beside each other."""
    now, own = await service.now(), RecoveryId(new_id())
    stages = [
        Timer(
            command=RemindOfRecovery(recovery_id=own, stage=stage), account_id="ann", subject=f"{own}/{stage}", at=now
        )
        for stage in ("half_time", "last_hour")
    ]
    await arm(service, *stages, finish(now, own))
    assert await fire(service) == 3


async def test_a_cancelled_timer_does_not_fire(service: Service) -> None:
    """And is cancelled once."""
    own = new_id()
    await arm(service, finish(await service.now() - SECOND, own))
    async with service.database.transaction([service.tenant_id]) as conn:
        assert await cancel_timers(conn, service.tenant_id, [str(own)]) == 1
        assert await cancel_timers(conn, service.tenant_id, [str(own)]) == 0
    assert await fire(service) == 0


async def test_a_cancel_and_a_firing_at_once_have_one_winner(service: Service) -> None:
    """The engine steps over a row that somebody is cancelling instead of waiting for it, or firing it after all."""
    own = new_id()
    await arm(service, finish(await service.now() - SECOND, own))
    async with service.database.transaction([service.tenant_id]) as conn:
        assert await cancel_timers(conn, service.tenant_id, [str(own)]) == 1
        assert await fire(service) == 0
    assert await fire(service) == 0


async def test_a_firing_that_does_not_commit_fires_again(service: Service) -> None:
    """An engine that dies between claiming and saying leaves the timers as they were."""
    await arm(service, finish(await service.now() - SECOND))

    async def die_before_the_commit() -> None:
        async with service.database.transaction(work_queues=True) as conn:
            assert len(await claim_due_timers(conn, host_now=host_now(), at_most=AT_MOST)) == 1
            raise LookupError

    with pytest.raises(LookupError):
        await die_before_the_commit()
    assert await fire(service) == 1


async def test_two_engines_fire_each_timer_once(service: Service) -> None:
    """A thousand due at once and as many that are not: every due one is said once, none of the others."""
    now = await service.now()
    due = [finish(now - SECOND) for _ in range(1_000)]
    await arm(service, *due, *[finish(now + dt.timedelta(hours=1)) for _ in range(1_000)])
    rounds = await asyncio.gather(*(fire(service) for _ in range(4)))
    while more := await fire(service):
        rounds.append(more)
    assert sum(rounds) == 1_000
    assert Counter(each.data.recovery_id for each in await fired(service)) == Counter(
        UUID(timer.subject) for timer in due
    )


async def test_a_batch_has_a_limit_and_the_earliest_go_first(service: Service) -> None:
    """A flood of timers is worked off in transactions of one size, oldest first."""
    now = await service.now()
    await arm(service, *(finish(now - n * SECOND) for n in range(1, AT_MOST + 6)))
    assert await fire(service) == AT_MOST
    left = await service.admin.fetch("SELECT due_at FROM policy.timers WHERE state = 'pending' ORDER BY due_at DESC")
    assert [now - row["due_at"] for row in left] == [n * SECOND for n in range(1, 6)]


async def test_what_is_due_at_once_is_said_tenant_by_tenant(
    service: Service, open_service: OpenService, dsn: str
) -> None:
    """Who judges lists of deadlines asks once for each tenant in a list; within one the earliest still go first."""
    both = [service, open_service(await new_tenant(dsn))]
    now = await service.now()
    for n in range(6):
        await arm(both[n % 2], finish(now - (10 - n) * SECOND))
    assert await fire(service) == 6
    rows = await service.admin.fetch(
        "SELECT tenant_id, body FROM bus.outbox WHERE tenant_id = ANY ($1::uuid[]) ORDER BY message_id",
        [each.tenant_id for each in both],
    )
    assert [row["tenant_id"] for row in rows] == sorted(row["tenant_id"] for row in rows)
    for each in both:
        due = await service.admin.fetch(
            "SELECT subject FROM policy.timers WHERE tenant_id = $1 ORDER BY due_at", each.tenant_id
        )
        said = [str(message.data.recovery_id) for message in await fired(each)]
        assert said == [row["subject"] for row in due]


async def test_an_unknown_timer_holds_nobody_up(service: Service) -> None:
    """A kind that nobody understands any more is logged; the others fire."""
    now = await service.now()
    odd = Timer(
        command=RemindOfEnforcement(stage="3d", deadline=now), account_id="ann", subject="ann/3d", at=now - SECOND
    )
    await arm(service, odd, finish(now - SECOND))
    await service.admin.execute("UPDATE policy.timers SET kind = 'forgotten' WHERE subject = 'ann/3d'")
    assert await fire(service) == 2
    assert len(await fired(service)) == 1


async def test_the_engine_sleeps_until_the_next_timer(service: Service) -> None:
    """Idle it looks once a second; with a timer near it wakes for it."""
    assert await pause_until_next(service.database, host_now()) == LONGEST_SLEEP
    await arm(service, finish(await service.now() + dt.timedelta(milliseconds=400)))
    assert 0 < await pause_until_next(service.database, host_now()) <= 0.4
    await arm(service, finish(await service.now() - SECOND))
    assert 0 < await pause_until_next(service.database, host_now()) < 0.1


async def test_the_process_fires_by_itself(service: Service, dsn: str, key_dir: Path) -> None:
    """`python -m services.policy timers` needs nobody watching."""
    settings = load_settings(PolicySettings, database_url=dsn, key_dir=key_dir)
    await arm(
        service, finish(await service.now() - SECOND), finish(await service.now() + dt.timedelta(milliseconds=300))
    )
    async with serve_timers(settings):
        await eventually(lambda: fired(service), lambda said: len(said) == 2)


async def test_timers_that_ended_long_ago_are_forgotten(service: Service) -> None:
    """Pending ones never."""
    now = await service.now()
    await arm(service, finish(now - SECOND), finish(now + SECOND * 3600))
    await fire(service)
    await service.admin.execute("UPDATE policy.timers SET ended_at = now() - interval '31 days' WHERE state = 'fired'")
    assert not await purge_timers(service.deps)
    assert await service.admin.fetchval("SELECT count(*) FROM policy.timers") == 1


async def test_a_sandbox_clock_takes_its_timers_with_it(service: Service, open_service: OpenService, dsn: str) -> None:
    """Seven days pass in a second, for this tenant only, and not a second more than was said."""
    other = open_service(await new_tenant(dsn))
    at = await service.now() + dt.timedelta(days=7)
    await arm(service, finish(at))
    await arm(other, finish(at))
    await service.move(7 * 24 * 3600 - 60)
    assert await fired(service) == []
    view = await service.move(60)
    assert view.offset_seconds == 7 * 24 * 3600
    assert abs(view.now - await service.now()) < dt.timedelta(seconds=5)
    assert len(await fired(service)) == 1
    assert await fired(other) == []
    assert [each.data.advance_seconds for each in await service.said(events.ClockMoved)] == [7 * 24 * 3600 - 60, 60]


async def test_a_timer_armed_while_the_clock_moves_is_not_left_behind(service: Service) -> None:
    """Arming holds the clock: the move waits for the commit and then moves this timer, too."""
    at = await service.now() + dt.timedelta(hours=1)
    holding = asyncio.Event()
    release = asyncio.Event()

    async def slow_handler() -> None:
        async with service.database.transaction([service.tenant_id]) as conn:
            await hold_clock(conn, service.tenant_id)
            await arm_timers(conn, service.envelope(MoveClock(advance_seconds=1)), [finish(at)])
            holding.set()
            await release.wait()

    handler = asyncio.create_task(slow_handler())
    await holding.wait()
    moving = asyncio.create_task(service.ask(MoveClock(advance_seconds=3600), None))
    await eventually(lambda: service.admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"), bool)
    release.set()
    await handler
    await moving
    assert await fire(service) == 1


async def test_a_live_tenants_clock_does_not_move(service: Service, open_service: OpenService, dsn: str) -> None:
    """Everybody's clock is nobody's to move."""
    live = open_service(await new_tenant(dsn, is_sandbox=False))
    assert await live.refused(MoveClock(advance_seconds=60), None) is RefusalCode.NOT_A_SANDBOX


async def test_a_clock_stops_ten_years_ahead(service: Service) -> None:
    """Past the year 9999 no instant can be read, and whoever looks at all tenants' clocks would fail for everybody."""
    await service.admin.execute(
        "UPDATE policy.clocks SET clock_offset = interval '3652 days' WHERE tenant_id = $1", service.tenant_id
    )
    assert await service.refused(MoveClock(advance_seconds=24 * 3600 + 1), None) is RefusalCode.CLOCK_TOO_FAR
    await service.move(24 * 3600)
    with pytest.raises(asyncpg.CheckViolationError):
        await service.admin.execute(
            "UPDATE policy.clocks SET clock_offset = interval '8000 years' WHERE tenant_id = $1", service.tenant_id
        )


@pytest.mark.parametrize("seconds", [0, -60, 401 * 24 * 3600])
async def test_a_clock_moves_forward_and_not_for_ever(service: Service, seconds: int) -> None:
    """Backwards, used codes would come to life again."""
    assert await service.refused(MoveClock(advance_seconds=seconds), None) is RefusalCode.INTERNAL_ERROR
    assert await service.said(events.ClockMoved) == []
