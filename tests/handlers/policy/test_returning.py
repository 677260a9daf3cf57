"""Who comes back is warned, and gets no new grace period: an account that is active again, a requirement of one account
that is set again.
"""

import datetime as dt

from shared.contracts import events
from shared.contracts.commands import ClearEnforcement
from shared.contracts.types import EnforcementState
from tests.handlers.policy.conftest import DAY, EVERYBODY, Service
from tests.handlers.policy.test_individual import change, stands

WEEK = dt.timedelta(days=7)
A_DAY = dt.timedelta(days=1)


async def test_a_deadline_that_passed_while_away_leaves_a_day(service: Service) -> None:
    """Back from leave, and locked out at the first login, without a word before: that helps nobody."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(3 * DAY)
    await service.change(active=False)
    await service.move(20 * DAY)
    back = await service.now()
    await service.change(active=True)
    view = await stands(service)
    assert view.state is EnforcementState.GRACE
    assert view.deadline is not None
    assert A_DAY <= view.deadline - back < A_DAY + dt.timedelta(minutes=5)
    assert (await service.notices())[-1][0] == "enforcement_started"
    await service.move(2 * DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    assert len(await service.said(events.EnforcementLockedOut)) == 1


async def test_a_deadline_that_is_still_to_come_stays_where_it_was(service: Service) -> None:
    """Deactivated for a minute, by mistake or to gain a week."""
    await service.put()
    await service.require(EVERYBODY)
    deadline = (await stands(service)).deadline
    await service.change(active=False)
    assert (await stands(service)).state is EnforcementState.NOT_REQUIRED
    await service.move(DAY)
    await service.change(active=True)
    assert (await stands(service)).deadline == deadline


async def test_who_was_locked_out_is_not_let_in_by_coming_back(service: Service) -> None:
    """Else off and on would be an unlock that nobody has to give a reason for; a second day is not given, either."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    for _ in range(2):
        await service.change(active=False)
        await service.change(active=True)
        assert (await stands(service)).state is EnforcementState.LOCKED_OUT


async def test_who_comes_back_after_long_starts_anew(service: Service) -> None:
    """As a new account would."""
    await service.put()
    await service.require(EVERYBODY)
    await service.change(active=False)
    await service.move(31 * DAY)
    back = await service.now()
    await service.change(active=True)
    deadline = (await stands(service)).deadline
    assert deadline is not None
    assert WEEK <= deadline - back < WEEK + dt.timedelta(minutes=5)


async def test_a_requirement_of_one_account_goes_on_where_it_was(service: Service) -> None:
    """Taken back and set again within 30 days, it has the old start: two clicks are no new week."""
    await service.put()
    await service.ask(change(required=True))
    deadline = (await stands(service)).deadline
    await service.move(3 * DAY)
    await service.ask(change(required=False))
    assert (await stands(service)).state is EnforcementState.NOT_REQUIRED
    await service.move(DAY)
    await service.ask(change(required=True))
    assert (await stands(service)).deadline == deadline
    await service.ask(ClearEnforcement(reason="a mistake"))
    await service.move(20 * DAY)
    again = await service.now()
    await service.ask(change(required=True))
    later = (await stands(service)).deadline
    assert later is not None
    assert A_DAY <= later - again < A_DAY + dt.timedelta(minutes=5)


async def test_a_requirement_of_one_account_that_was_missed_is_missed_when_it_is_set_again(service: Service) -> None:
    """Clearing it opens the account; setting it again within 30 days says what was true before."""
    await service.put()
    await service.ask(change(required=True))
    await service.move(8 * DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    await service.ask(ClearEnforcement(reason="identity checked by telephone"))
    assert (await stands(service)).state is EnforcementState.NOT_REQUIRED
    await service.move(DAY)
    await service.ask(change(required=True))
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT


async def test_a_requirement_of_one_account_starts_anew_after_a_month(service: Service) -> None:
    """Nobody remembers the old one."""
    await service.put()
    await service.ask(change(required=True))
    await service.ask(ClearEnforcement(reason="on leave"))
    await service.move(31 * DAY)
    again = await service.now()
    await service.ask(change(required=True))
    deadline = (await stands(service)).deadline
    assert deadline is not None
    assert WEEK <= deadline - again < WEEK + dt.timedelta(minutes=5)


async def test_to_be_asked_again_opens_nobody_who_is_locked_out_by_the_policy(service: Service) -> None:
    """The day's notice is for who had time left, not for who missed another deadline."""
    await service.put()
    await service.ask(change(required=True))
    await service.ask(change(required=False))
    await service.require(EVERYBODY)
    await service.move(9 * DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    await service.ask(change(required=True))
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
