"""What an admin asks of, or grants to, one account alone; and the policy that would lock every admin out."""

import datetime as dt

from services.policy.domain.individual import LONGEST
from shared.contracts import events
from shared.contracts.commands import ChangeEnforcement, ClearEnforcement, PutPolicy, ReadAccount, ReadPolicy, Unlock
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.replies import AccountView, EnforcementView, PolicyView, RefusalCode
from shared.contracts.types import Acting, EnforcementState, Role
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service, contact, new_factor_id

BOB = "bob"
NOBODY = Policy()


def change(**given: object) -> ChangeEnforcement:
    """As the gateway says it."""
    return ChangeEnforcement.model_validate({"given": tuple(given), "reason": "agreed with the team", **given})


async def stands(service: Service, account_id: str = ANN) -> EnforcementView:
    """Where the account stands."""
    return AccountView.model_validate(await service.ask(ReadAccount(), account_id)).enforcement


async def later(service: Service, **by: float) -> dt.datetime:
    """An instant of tenant time."""
    return await service.now() + dt.timedelta(**by)


async def test_one_account_is_required_alone(service: Service) -> None:
    """From the admin's word on, with the policy's days, a notice and a lock at their end."""
    await service.put()
    await service.move(30 * DAY)
    view = AccountView.model_validate(await service.ask(change(required=True)))
    assert view.enforcement.state is EnforcementState.GRACE
    assert view.enforcement.deadline is not None
    assert dt.timedelta(days=6, hours=23) < view.enforcement.deadline - await service.now() <= dt.timedelta(days=7)
    [said] = await service.said(events.EnforcementChanged)
    assert (said.data.state, said.data.deadline) == (EnforcementState.GRACE, view.enforcement.deadline)
    assert said.data.reason == "agreed with the team"
    assert await service.notices() == [("enforcement_changed", "a•••l")]
    await service.move(7 * DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    assert len(await service.said(events.EnforcementLockedOut)) == 1


async def test_said_again_it_starts_nothing_anew(service: Service) -> None:
    """A button pressed twice gives no second week, and no second mail."""
    await service.put()
    await service.ask(change(required=True))
    first = await stands(service)
    await service.move(3 * DAY)
    told = len(await service.notices())
    await service.ask(change(required=True))
    assert await stands(service) == first
    assert len(await service.notices()) == told


async def test_an_exemption_ends_by_itself_and_leaves_a_day(service: Service) -> None:
    """Whoever comes back from leave hears of the deadline when the exemption ends, and has a day for it."""
    await service.put()
    await service.require(EVERYBODY)
    until = await later(service, days=20)
    view = AccountView.model_validate(await service.ask(change(exempt_until=until)))
    assert view.enforcement == EnforcementView(state=EnforcementState.EXEMPT, exempt_until=until)
    assert await service.pending() == [("review_enforcement", "ann/exempt")]
    assert (await service.notices())[-1][0] == "enforcement_changed"
    await service.move(20 * DAY)
    assert (await stands(service)).deadline == until + dt.timedelta(days=1)
    assert (await service.notices())[-1][0] == "enforcement_started"
    await service.move(DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT


async def test_an_exemption_lets_a_locked_account_in(service: Service) -> None:
    """And says so: the timeline has a lock and its end."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    await service.ask(change(exempt_until=await later(service, days=1)))
    assert len(await service.said(events.EnforcementUnlocked)) == 1
    assert (await stands(service)).state is EnforcementState.EXEMPT


async def test_clearing_leaves_a_day(service: Service) -> None:
    """Taking an exemption or an extension back is no lock on the spot."""
    await service.put()
    await service.put(BOB, email=contact("bob-mail"))
    await service.require(EVERYBODY)
    await service.ask(change(exempt_until=await later(service, days=90)))
    await service.ask(change(extended_until=await later(service, days=90)), BOB)
    await service.move(30 * DAY)
    for account_id in (ANN, BOB):
        await service.ask(ClearEnforcement(reason="back at work"), account_id)
        view = await stands(service, account_id)
        assert view.state is EnforcementState.GRACE
        assert view.deadline is not None
        assert dt.timedelta(hours=23) < view.deadline - await service.now() <= dt.timedelta(hours=24)
    await service.move(DAY)
    assert [(await stands(service, each)).state for each in (ANN, BOB)] == [EnforcementState.LOCKED_OUT] * 2


async def test_clearing_ends_a_requirement_of_one_account(service: Service) -> None:
    """Without the policy's there is nothing left, and no timer."""
    await service.put()
    await service.ask(change(required=True))
    await service.ask(ClearEnforcement(reason="left the payroll"))
    assert (await stands(service)).state is EnforcementState.NOT_REQUIRED
    assert await service.pending() == []


async def test_an_extension_moves_the_deadline_and_its_reminders(service: Service) -> None:
    """More time for one person, with the reminders that go with it."""
    await service.put()
    await service.require(EVERYBODY)
    until = await later(service, days=30)
    await service.ask(change(extended_until=until))
    assert (await stands(service)).deadline == until
    await service.move(8 * DAY)
    assert (await stands(service)).state is EnforcementState.GRACE
    assert ("remind_of_enforcement", "ann/7d") in await service.pending()


async def test_an_unlock_takes_nothing_from_an_extension(service: Service) -> None:
    """An hour given to somebody who has thirty days is no way to lock them out in an hour."""
    await service.put()
    await service.require(EVERYBODY)
    until = await later(service, days=30)
    await service.ask(change(extended_until=until))
    await service.ask(Unlock(hours=1, reason="asked twice"))
    assert (await stands(service)).deadline == until


async def test_instants_out_of_range_are_refused(service: Service) -> None:
    """An exemption in the past does nothing, and one for ever is a hole that nobody remembers."""
    await service.put()
    past, far = await later(service, seconds=-1), await later(service, days=LONGEST.days + 1)
    for wrong in (change(exempt_until=past), change(extended_until=past), change(exempt_until=far)):
        assert await service.refused(wrong) is RefusalCode.UNTIL_OUT_OF_RANGE
    assert await service.refused(change(required=True), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND


async def test_nobody_exempts_oneself(service: Service) -> None:
    """An admin's word about oneself is nobody's word."""
    await service.put(BOB, role="admin", email=contact("bob-mail"))
    await service.put()
    asked = ChangeEnforcement(
        given=("exempt_until",), exempt_until=await later(service, days=9), reason="?", acting=Acting(actor=BOB)
    )
    assert await service.refused(asked, BOB) is RefusalCode.NOT_ON_ONESELF
    assert await service.refusal_of(asked, ANN) is None
    by_agent = asked.model_copy(update={"acting": Acting(actor=ANN)})
    assert await service.refused(by_agent, BOB) is RefusalCode.ACTOR_NOT_AN_ADMIN


async def test_a_policy_that_would_lock_every_admin_out_is_refused(service: Service) -> None:
    """Who could lift it would stand before the door, too. Nothing of it is stored."""
    await service.put(BOB, role="admin")
    assert await service.refused(PutPolicy(policy=EVERYBODY), None) is RefusalCode.WOULD_LOCK_OUT_ADMINS
    assert PolicyView.model_validate(await service.ask(ReadPolicy(), None)).version == 0
    assert await service.refusal_of(PutPolicy(policy=EVERYBODY, is_forced=True), None) is None


async def test_one_admin_who_can_get_in_is_enough(service: Service) -> None:
    """With a factor, exempt, or through SSO; an inactive one is none."""
    refused = PutPolicy(policy=EVERYBODY), None
    await service.put(BOB, role="admin")
    await service.put("eve", role="admin", active=False)
    await service.give_factor(new_factor_id(), "eve")
    assert await service.refused(*refused) is RefusalCode.WOULD_LOCK_OUT_ADMINS
    await service.change(BOB, sso=True)
    assert await service.refusal_of(*refused) is None
    await service.change(BOB, sso=False)
    assert await service.refused(*refused) is RefusalCode.WOULD_LOCK_OUT_ADMINS
    await service.ask(change(exempt_until=await later(service, days=1)), BOB)
    assert await service.refusal_of(*refused) is None
    await service.ask(ClearEnforcement(reason="?"), BOB)
    assert await service.refused(*refused) is RefusalCode.WOULD_LOCK_OUT_ADMINS
    await service.enrol(BOB)
    assert await service.refusal_of(*refused) is None


async def test_where_there_is_no_admin_or_no_lock_nothing_is_refused(service: Service) -> None:
    """A tenant that tells us of agents only, or leads people to enrolment, is not stopped."""
    await service.put()
    assert await service.refusal_of(PutPolicy(policy=EVERYBODY), None) is None
    await service.put(BOB, role="admin")
    softly = EVERYBODY.model_copy(update={"after_grace": AfterGrace.ENROL})
    agents = EVERYBODY.model_copy(update={"required": Requirement(scope=Scope.ROLES, roles=(Role.AGENT,))})
    for policy in (softly, agents, NOBODY):
        assert await service.refusal_of(PutPolicy(policy=policy), None) is None


async def test_who_changes_the_policy_is_an_admin(service: Service) -> None:
    """A name in the audit log that is nobody's explains nothing."""
    await service.put(BOB, role="admin")
    by_nobody = PutPolicy(policy=NOBODY, acting=Acting(actor="nobody"))
    assert await service.refused(by_nobody, None) is RefusalCode.ACTOR_NOT_AN_ADMIN
    assert await service.refusal_of(PutPolicy(policy=NOBODY, acting=Acting(actor=BOB)), None) is None


async def test_a_shorter_deadline_leaves_a_day_unless_it_is_meant(service: Service) -> None:
    """The timers go by the same day as the login; `immediately` is the tenant's own word."""
    await service.put()
    await service.require(EVERYBODY.model_copy(update={"grace_days": 30}))
    await service.move(10 * DAY)
    await service.require(EVERYBODY)
    assert (await stands(service)).state is EnforcementState.GRACE
    assert (await service.notices())[-1][0] == "enforcement_started"
    await service.ask(PutPolicy(policy=EVERYBODY, is_immediate=True), None)
    await service.run()
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    assert len(await service.said(events.EnforcementLockedOut)) == 1


async def test_switching_off_unlocks_and_says_so(service: Service) -> None:
    """Who asks why somebody is in again on Tuesday finds the end of the lock beside its start."""
    await service.put()
    await service.put(BOB)
    await service.require(EVERYBODY)
    await service.ask(change(extended_until=await later(service, days=20)), BOB)
    await service.move(8 * DAY)
    await service.require(NOBODY)
    [unlocked] = await service.said(events.EnforcementUnlocked)
    assert (unlocked.account_id, unlocked.data.reason) == (ANN, "policy_changed")
    assert [each.account_id for each in await service.said(events.EnforcementChanged)] == [BOB, BOB]
    assert await service.pending() == []


async def test_a_longer_deadline_opens_who_was_locked_out(service: Service) -> None:
    """Computed, so at once; the next lock is announced again."""
    await service.put()
    await service.require(EVERYBODY)
    await service.move(8 * DAY)
    await service.require(EVERYBODY.model_copy(update={"grace_days": 10}))
    assert len(await service.said(events.EnforcementUnlocked)) == 1
    await service.move(3 * DAY)
    assert len(await service.said(events.EnforcementLockedOut)) == 2


async def test_a_lock_that_comes_while_enrolment_is_asked_fires_by_its_timer(service: Service) -> None:
    """From "enrol" to "lock out": a day later, by the timer that the policy armed."""
    await service.put()
    await service.require(EVERYBODY.model_copy(update={"after_grace": AfterGrace.ENROL}))
    await service.move(9 * DAY)
    await service.require(EVERYBODY)
    assert (await stands(service)).state is EnforcementState.MUST_ENROL
    await service.move(DAY)
    assert (await stands(service)).state is EnforcementState.LOCKED_OUT
    assert len(await service.said(events.EnforcementLockedOut)) == 1
