"""A clock that jumps opens no account and locks none out: what time alone sets off needs two clocks to agree."""

import datetime as dt

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.policy.handlers.timers import fire_due_timers
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.commands import ExecuteRecovery, MoveClock, ProveMailbox, StartRecovery
from shared.contracts.replies import RecoveryView
from shared.contracts.types import Method, Purpose, RecoveryState
from shared.db.clock_watch import BOUND, apart, watch_clock
from tests.handlers.policy.conftest import DAY, EVERYBODY, Service, contact

TWO_DAYS = dt.timedelta(days=2)


@pytest.fixture(autouse=True)
async def nothing_is_pending(service: Service) -> None:
    """Engines work for every tenant: what another test left would be fired here."""
    await service.admin.execute("DELETE FROM policy.timers")


async def fire(service: Service, host: dt.datetime) -> int:
    """A round of an engine on a machine whose clock shows this."""
    return await fire_due_timers(service.database, service.deps.relay, host)


async def wait_for_recovery(service: Service) -> None:
    """Ann's recovery waits, her mailbox proved."""
    await service.put()
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    await service.enrol()
    draft = RecoveryView.model_validate(await service.ask(StartRecovery()))
    assert draft.challenge_id is not None
    await service.hear(
        events.ChallengeVerified(
            challenge_id=draft.challenge_id, purpose=Purpose.RECOVERY, method=Method.EMAIL, recovery_id=draft.id
        )
    )


async def test_a_database_that_jumps_two_days_ahead_executes_no_recovery(service: Service) -> None:
    """The machines that fire timers still know what time it is. When they agree it happens, once."""
    await wait_for_recovery(service)
    await service.ask(MoveClock(advance_seconds=DAY + 60), None)  # due by the database, two days off by the host
    assert await fire(service, host_now() - TWO_DAYS) == 0
    assert (await service.recovery()).state is RecoveryState.WAITING
    await service.run()
    assert len(await service.said(ExecuteRecovery)) == 1


async def test_a_database_that_jumps_ahead_announces_no_lock(service: Service) -> None:
    """A whole tenant that is told of its lockout, and its sessions ended, is not to be taken back."""
    await service.put()
    await service.require(EVERYBODY)
    await service.ask(MoveClock(advance_seconds=8 * DAY), None)
    assert await fire(service, host_now() - 9 * dt.timedelta(days=1)) == 0
    assert await service.said(events.EnforcementLockedOut) == []
    assert await service.said(events.SessionsShouldEnd) == []


async def test_a_host_that_jumps_ahead_makes_nothing_early(service: Service) -> None:
    """The other way round: the database says what time it is in the tenant."""
    await wait_for_recovery(service)
    assert await fire(service, host_now() + TWO_DAYS) == 0
    assert (await service.recovery()).state is RecoveryState.WAITING


async def test_a_host_that_goes_back_fires_nothing_twice(service: Service) -> None:
    """What has fired has ended, and ended is not a question of time."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    said = len(await service.said(events.EnforcementLockedOut))
    assert said == 1
    for host in (host_now() - TWO_DAYS, host_now(), host_now() + TWO_DAYS):
        assert await fire(service, host) == 0
    assert len(await service.said(events.EnforcementLockedOut)) == said


@pytest.mark.parametrize("ahead", [TWO_DAYS, -TWO_DAYS], ids=["database ahead", "database behind"])
async def test_clocks_that_disagree_are_a_number_and_a_warning(service: Service, ahead: dt.timedelta) -> None:
    """Timers wait and codes are refused, and nothing else says why: whoever is on call has to find this line."""
    with capture_logs() as lines:
        difference = await watch_clock(service.database, lambda: host_now() - ahead)
    assert abs(difference - ahead) < dt.timedelta(minutes=1)
    assert REGISTRY.get_sample_value("deskfactor_clock_difference_seconds") == difference.total_seconds()
    assert [line["event"] for line in lines] == ["clocks_disagree"]
    with capture_logs() as lines:
        await watch_clock(service.database)
    assert lines == []
    assert abs(REGISTRY.get_sample_value("deskfactor_clock_difference_seconds") or 0.0) < BOUND.total_seconds()


def test_what_a_slow_round_trip_explains_is_no_difference() -> None:
    """A database that answers late is another alarm."""
    before = host_now()
    after = before + dt.timedelta(seconds=20)
    assert apart(before + dt.timedelta(seconds=9), before, after) == dt.timedelta()
    assert apart(after + dt.timedelta(seconds=7), before, after) == dt.timedelta(seconds=7)
    assert apart(before - dt.timedelta(seconds=7), before, after) == dt.timedelta(seconds=-7)
