"""Who must enrol, by when, what they are told, and the lock."""

import asyncio
import datetime as dt

from services.policy.handlers.requirement import PAGE
from shared.contracts import events
from shared.contracts.commands import (
    AnnounceRequirement,
    LockOutAccount,
    PutPolicy,
    ReadAccount,
    ReadPolicy,
    RemindOfEnforcement,
    Unlock,
)
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.replies import AccountView, PolicyView, RefusalCode
from shared.contracts.types import EnforcementState, FactorId, FactorType
from shared.db.account_lock import lock_account
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, HOUR, Service
from tests.support.eventually import eventually

NOBODY = Policy()


async def state(service: Service, account_id: str = ANN) -> EnforcementState:
    """Where the account stands."""
    return AccountView.model_validate(await service.ask(ReadAccount(), account_id)).enforcement.state


async def test_a_tenant_starts_with_the_default_policy(service: Service) -> None:
    """Nothing is required until somebody says so."""
    view = PolicyView.model_validate(await service.ask(ReadPolicy(), None))
    assert (view.version, view.policy) == (0, Policy())


async def test_a_policy_is_replaced_as_a_whole_and_announced(service: Service) -> None:
    """Every version is a fact with its number, for the audit log and for who follows."""
    await service.require(EVERYBODY)
    await service.require(EVERYBODY)
    assert [each.data.version for each in await service.said(events.PolicyChanged)] == [1, 2]
    view = PolicyView.model_validate(await service.ask(ReadPolicy(), None))
    assert (view.version, view.policy) == (2, EVERYBODY)


async def test_a_requirement_gives_notice_and_arms_reminders(service: Service) -> None:
    """People hear of it at the start; with seven days the first reminder is that of the third day."""
    await service.put()
    await service.require(EVERYBODY)
    assert await service.notices() == [("enforcement_started", "a•••l")]
    [started] = await service.said(events.EnforcementStarted)
    assert started.account_id == ANN
    assert await service.pending() == [
        ("remind_of_enforcement", "ann/3d"),
        ("remind_of_enforcement", "ann/1d"),
        ("remind_of_enforcement", "ann/1h"),
        ("lock_out_account", "ann"),
    ]


async def test_a_long_grace_period_has_the_reminder_of_seven_days(service: Service) -> None:
    """It is left out only where the notice of the start is younger than a day by then."""
    await service.put()
    await service.require(EVERYBODY.model_copy(update={"grace_days": 9}))
    assert ("remind_of_enforcement", "ann/7d") in await service.pending()


async def test_seven_days_pass(service: Service) -> None:
    """The story of a grace period: four notices, then the lock, said once, and sessions end."""
    await service.put()
    await service.require(EVERYBODY)
    for _ in range(7):
        await service.move(DAY - 1)
        assert await state(service) is EnforcementState.GRACE
    await service.move(7)
    assert await state(service) is EnforcementState.LOCKED_OUT
    assert [name for name, _ in await service.notices()] == [
        "enforcement_started",
        "enforcement_reminder",
        "enforcement_reminder",
        "enforcement_reminder",
        "locked_out",
    ]
    assert [each.data.stage for each in await service.said(events.EnforcementReminded)] == ["3d", "1d", "1h"]
    assert len(await service.said(events.EnforcementLockedOut)) == 1
    assert len(await service.said(events.SessionsShouldEnd)) == 1
    assert await service.pending() == []


async def test_a_lock_is_announced_once(service: Service) -> None:
    """The same timer twice, or two of them, is one lock."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    await service.hear(LockOutAccount(deadline=await service.now()))
    assert len(await service.said(events.EnforcementLockedOut)) == 1


async def test_who_enrols_hears_no_more(service: Service) -> None:
    """A reminder to somebody who has done it teaches people to ignore reminders."""
    await service.put()
    await service.require(EVERYBODY)
    await service.enrol()
    assert await state(service) is EnforcementState.SATISFIED
    assert len(await service.said(events.EnforcementSatisfied)) == 1
    assert await service.pending() == []
    await service.move(8 * DAY)
    assert await service.said(events.EnforcementLockedOut) == []


async def test_a_second_factor_more_is_no_news(service: Service) -> None:
    """The requirement is satisfied once."""
    await service.put()
    await service.require(EVERYBODY)
    await service.enrol()
    factor_id = FactorId(new_id())
    await service.give_factor(factor_id)
    await service.hear(events.FactorConfirmed(factor_id=factor_id, factor_type=FactorType.TOTP, is_first=False))
    assert len(await service.said(events.EnforcementSatisfied)) == 1


async def test_whose_only_factor_is_suspended_is_neither_reminded_nor_locked_out(service: Service) -> None:
    """The login asks for that factor still: who is told to enrol another one would be told something else there."""
    await service.put()
    await service.give_factor(FactorId(new_id()))
    await service.suspend_factors()
    await service.require(EVERYBODY)
    assert await state(service) is EnforcementState.SATISFIED
    assert await service.pending() == []
    deadline = await service.now() - dt.timedelta(seconds=1)
    await service.hear(RemindOfEnforcement(stage="1h", deadline=deadline))
    await service.hear(LockOutAccount(deadline=deadline))
    assert await service.notices() == []


async def test_a_factor_beside_a_suspended_one_is_no_news(service: Service) -> None:
    """The requirement was satisfied all the time."""
    await service.put()
    await service.require(EVERYBODY)
    await service.enrol()
    await service.suspend_factors()
    factor_id = FactorId(new_id())
    await service.give_factor(factor_id)
    await service.hear(events.FactorConfirmed(factor_id=factor_id, factor_type=FactorType.TOTP, is_first=False))
    assert len(await service.said(events.EnforcementSatisfied)) == 1


async def test_a_reminder_of_another_deadline_is_dropped(service: Service) -> None:
    """A timer that was on its way while the policy changed would tell a date that no longer holds."""
    await service.put()
    await service.require(EVERYBODY)
    await service.hear(RemindOfEnforcement(stage="3d", deadline=await service.now() + dt.timedelta(days=3)))
    assert await service.said(events.EnforcementReminded) == []


async def test_switching_off_ends_grace_and_timers(service: Service) -> None:
    """Nobody is reminded of, or locked out by, what is not required."""
    await service.put()
    await service.require(EVERYBODY)
    await service.require(NOBODY)
    assert await state(service) is EnforcementState.NOT_REQUIRED
    assert await service.pending() == []


async def test_off_and_on_again_renews_no_grace(service: Service) -> None:
    """Within thirty days it is the same requirement: an admin's click must not give everybody a week more."""
    first = (await service.put()).created_at
    await service.require(EVERYBODY)
    await service.require(NOBODY)
    await service.move(6 * DAY)
    await service.require(EVERYBODY)
    view = AccountView.model_validate(await service.ask(ReadAccount()))
    assert view.enforcement.deadline is not None
    assert view.enforcement.deadline < first + dt.timedelta(days=7, minutes=10)
    await service.move(DAY + HOUR)
    assert await state(service) is EnforcementState.LOCKED_OUT


async def test_a_role_that_is_covered_later_has_its_own_start(service: Service) -> None:
    """Widening an old requirement must not lock the new ones out on the spot."""
    await service.put("boss", role="admin")
    await service.put()
    await service.require(Policy(required=Requirement(scope=Scope.ROLES, roles=("admin",)), grace_days=7))  # type: ignore[arg-type]
    await service.move(30 * DAY)
    await service.require(EVERYBODY)
    assert await state(service, "boss") is EnforcementState.LOCKED_OUT
    assert await state(service) is EnforcementState.GRACE


async def test_a_date_leads_to_enrolment_not_to_a_lock(service: Service) -> None:
    """Deskpro's rule: after the date people set it up at the login."""
    await service.put()
    by_date = Policy(
        required=Requirement(scope=Scope.ALL), grace_days=None, grace_until=await service.now() + dt.timedelta(days=3)
    )
    await service.require(by_date)
    assert "lock_out_account" not in [kind for kind, _ in await service.pending()]
    await service.move(4 * DAY)
    assert await state(service) is EnforcementState.MUST_ENROL


async def test_no_grace_is_told_as_a_fact(service: Service) -> None:
    """Whoever must enrol at the next login is in the audit log, though there is no date to mail."""
    await service.put()
    await service.require(EVERYBODY.model_copy(update={"grace_days": None, "after_grace": AfterGrace.ENROL}))
    [started] = await service.said(events.EnforcementStarted)
    assert started.data.deadline is None
    assert await service.notices() == []


async def test_notice_is_given_page_by_page(service: Service) -> None:
    """A helpdesk of any size is told in transactions of one size."""
    await service.admin.execute(
        """
        INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
        SELECT $1, 'a' || lpad(n::text, 5, '0'), 'agent', now() FROM generate_series(1, $2) AS n
        """,
        service.tenant_id,
        PAGE + 3,
    )
    await service.require(EVERYBODY)
    assert len(await service.said(AnnounceRequirement)) == 2
    told = [each.account_id for each in await service.said(events.EnforcementStarted)]
    assert (len(told), len(set(told))) == (PAGE + 3, PAGE + 3)


async def test_a_page_of_a_replaced_policy_does_nothing(service: Service) -> None:
    """The newer version tells its own dates."""
    await service.put()
    await service.ask(PutPolicy(policy=EVERYBODY), None)
    await service.ask(PutPolicy(policy=EVERYBODY.model_copy(update={"grace_days": 30})), None)
    await service.run()
    assert len(await service.said(events.EnforcementStarted)) == 1


async def test_an_unlock_opens_for_some_hours(service: Service) -> None:
    """The way out of a lock: an admin's word, for a while, with reason and notice; then it closes again."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    view = AccountView.model_validate(await service.ask(Unlock(hours=5, reason="new phone is on its way")))
    assert view.enforcement.state is EnforcementState.GRACE
    [unlocked] = await service.said(events.EnforcementUnlocked)
    assert unlocked.data.reason == "new phone is on its way"
    assert (await service.notices())[-1] == ("unlocked", "a•••l")
    await service.move(5 * HOUR)
    assert await state(service) is EnforcementState.LOCKED_OUT
    assert len(await service.said(events.EnforcementLockedOut)) == 2


async def test_who_is_not_held_back_cannot_be_unlocked(service: Service) -> None:
    """An unlock that does nothing would look like one that did."""
    await service.put()
    assert await service.refused(Unlock(hours=5, reason="?")) is RefusalCode.NOT_LOCKED_OUT
    assert await service.refused(Unlock(hours=5, reason="?"), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND


async def test_a_lock_and_an_enrolment_at_once_have_one_winner(service: Service) -> None:
    """Who confirms a factor in the moment of the deadline is in, never locked out with a factor."""
    await service.put()
    await service.require(EVERYBODY)
    await service.admin.execute("UPDATE policy.timers SET due_at = due_at + interval '1 year'")
    await service.move(8 * DAY)
    enrolling = service.admin.transaction()
    await enrolling.start()
    await lock_account(service.admin, service.tenant_id, ANN)
    await service.give_factor(FactorId(new_id()))
    lock = LockOutAccount(deadline=await service.now())
    locking = asyncio.create_task(service.hear(lock, at=await service.now()))
    await eventually(service.count_waiting, bool)
    await enrolling.commit()
    await locking
    assert await service.said(events.EnforcementLockedOut) == []
    assert await state(service) is EnforcementState.SATISFIED
