"""What ends by itself: at its time, once, whoever else looks; and nothing before."""

import asyncio
import datetime as dt
from uuid import UUID

from services.otp_worker.handlers.time_passing import expire, make_room, purge
from shared.contracts import events
from shared.contracts.commands import ReadSecurity
from shared.contracts.types import ChallengeState
from tests.handlers.otp_worker.conftest import STEP, OpenVerifier, Verifier, request_key
from tests.support.tenants import new_tenant


async def test_open_challenges_and_pending_factors_expire_by_the_sandboxs_clock(verifier: Verifier) -> None:
    """A tenant that moves its clock sees what its people would see."""
    await verifier.enrol()
    challenge = await verifier.challenge()
    await verifier.move(599)
    await _expire_all(verifier)
    assert await verifier.said(events.ChallengeExpired) == []
    await verifier.move(1)
    await _expire_all(verifier)
    [expired] = await verifier.said(events.ChallengeExpired)
    assert expired.data.challenge_id == challenge.id
    assert (expired.actor, expired.account_id) == ("system", "ann")
    assert abs(expired.time - await verifier.now()) < dt.timedelta(minutes=1)


async def test_a_moved_clock_is_noticed_at_once(verifier: Verifier) -> None:
    """Whoever moves a sandbox's clock looks right afterwards."""
    started = await verifier.start()
    await verifier.move(15 * 60)
    await verifier.hear(events.ClockMoved(advance_seconds=15 * 60), None)
    [expired] = await verifier.said(events.FactorExpired)
    assert expired.data.factor_id == started.factor.id
    seed = await verifier.admin.fetchval("SELECT seed FROM otp.factors WHERE factor_id = $1", started.factor.id)
    assert seed is None
    assert (await verifier.data(ReadSecurity()))["factors"] == []


async def test_a_moved_clock_ends_nothing_of_other_tenants(verifier: Verifier, open_verifier: OpenVerifier) -> None:
    """Each tenant has its own time."""
    other = open_verifier(await new_tenant(verifier.dsn))
    await other.account()
    await other.start()
    await verifier.move(15 * 60)
    await verifier.hear(events.ClockMoved(advance_seconds=15 * 60), None)
    await _expire_all(verifier)
    assert await other.said(events.FactorExpired) == []


async def test_a_live_tenants_challenges_expire_by_the_systems_clock(
    verifier: Verifier, open_verifier: OpenVerifier
) -> None:
    """The database's clock, found by index."""
    live = open_verifier(await new_tenant(verifier.dsn, is_sandbox=False))
    await live.account()
    await live.enrol()
    challenge = await live.challenge()
    await verifier.admin.execute(
        "UPDATE otp.challenges SET expires_at = now() - interval '1 second' WHERE challenge_id = $1", challenge.id
    )
    await _expire_all(live)
    assert [each.data.challenge_id for each in await live.said(events.ChallengeExpired)] == [challenge.id]


async def test_two_replicas_expire_each_thing_once(verifier: Verifier) -> None:
    """Any number of them may run the duty."""
    for number in range(6):
        await verifier.account(f"agent-{number}")
        await verifier.start(account_id=f"agent-{number}")
    await verifier.move(15 * 60)
    await asyncio.gather(*(_expire_all(verifier) for _ in range(3)))
    factors = [each.data.factor_id for each in await verifier.said(events.FactorExpired)]
    challenges = [each.data.challenge_id for each in await verifier.said(events.ChallengeExpired)]
    assert (len(factors), len(set(factors))) == (6, 6)
    assert (len(challenges), len(set(challenges))) == (6, 6)


async def test_a_challenge_that_is_being_judged_does_not_expire_under_the_verdict(verifier: Verifier) -> None:
    """A right code in the last moment is right; the duty passes over what a handler holds."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    async with verifier.database.transaction([verifier.tenant_id]) as held:
        await held.execute("SELECT FROM otp.challenges WHERE challenge_id = $1 FOR NO KEY UPDATE", challenge.id)
        await verifier.move(600)
        await _expire_all(verifier)
        assert await _state(verifier, challenge.id) == ChallengeState.OPEN
        await verifier.move(-600)
    await verifier.passed(challenge.id, app.code(now))


async def test_answers_are_forgotten_after_a_day(verifier: Verifier) -> None:
    """A secret's after ten minutes, the others' after twenty-four hours."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    challenge = await verifier.challenge()
    await verifier.verify(challenge.id, app.code(now), key=request_key())
    count = "SELECT count(*) FROM bus.answers WHERE tenant_id = $1"
    await purge(verifier.deps)
    assert await verifier.admin.fetchval(count, verifier.tenant_id) == 1
    await verifier.admin.execute(
        "UPDATE bus.answers SET answered_at = now() - interval '25 hours' WHERE tenant_id = $1", verifier.tenant_id
    )
    await purge(verifier.deps)
    assert await verifier.admin.fetchval(count, verifier.tenant_id) == 0


async def test_room_is_made_for_the_coming_weeks(verifier: Verifier) -> None:
    """A range that is not there in time would have its rows in the default one, which nobody can drop."""
    assert await make_room(verifier.deps) is False
    ranges = await verifier.admin.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'otp.challenges'::regclass"
    )
    assert ranges > 3


async def _expire_all(verifier: Verifier) -> None:
    while await expire(verifier.deps):
        pass


async def _state(verifier: Verifier, challenge_id: UUID) -> str:
    found: str = await verifier.admin.fetchval("SELECT state FROM otp.challenges WHERE challenge_id = $1", challenge_id)
    return found
