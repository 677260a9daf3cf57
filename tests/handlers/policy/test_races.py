"""Two things that must not both happen, each pair in both orders: one outcome, never both, never neither."""

import pytest

from shared.contracts import events
from shared.contracts.commands import (
    CancelRecovery,
    ExecuteRecovery,
    FinishRecovery,
    LockOutAccount,
    ProveMailbox,
    RecordPasswordChange,
    StartRecovery,
    Unlock,
)
from shared.contracts.replies import AccountView, RecoveryView, RefusalCode
from shared.contracts.types import EnforcementState, FactorId, FactorType, Method, Purpose, RecoveryState
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service, contact, put_account
from tests.support.turns import in_turn

in_both_orders = pytest.mark.parametrize("order", [1, -1], ids=["as_named", "the_other_way"])


@pytest.fixture(autouse=True)
async def timers_wait(service: Service) -> None:
    """What a timer says is said by the test, when the other one is under way."""
    await service.admin.execute("DELETE FROM policy.timers")


async def due_recovery(service: Service) -> RecoveryView:
    """A recovery whose waiting period is over, and which its timer has not said yet."""
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
    await service.admin.execute("DELETE FROM policy.timers WHERE tenant_id = $1", service.tenant_id)
    await service.move(DAY)
    return await service.recovery()


async def overdue_account(service: Service) -> LockOutAccount:
    """An account whose deadline has passed, and what its timer is about to say."""
    await service.put()
    await service.require(EVERYBODY)
    await service.admin.execute("DELETE FROM policy.timers WHERE tenant_id = $1", service.tenant_id)
    await service.move(8 * DAY)
    return LockOutAccount(deadline=await service.now())


async def race(service: Service, order: int, one: object, other: object) -> None:
    """Both, in that order or the other."""
    works = [one, other][::order]
    await in_turn(service.admin, service.tenant_id, ANN, *works)  # type: ignore[arg-type]


@in_both_orders
async def test_a_recovery_is_cancelled_or_executed(service: Service, order: int) -> None:
    """A "cancelled" that is executed after all is the thief's; an execution that is cancelled, half a take-down."""
    due = await due_recovery(service)
    at = await service.now()
    finish = service.hear(FinishRecovery(recovery_id=due.id), at=at)
    cancel = service.refusal_of(CancelRecovery(recovery_id=due.id))
    await race(service, order, finish, cancel)
    executing, after = len(await service.said(ExecuteRecovery)), await service.recovery()
    if order == 1:
        assert (executing, after.state) == (1, RecoveryState.WAITING)
        assert await service.refusal_of(CancelRecovery(recovery_id=due.id)) is RefusalCode.RECOVERY_OVER
    else:
        assert (executing, after.state) == (0, RecoveryState.CANCELLED)
    assert len(await service.said(events.RecoveryCancelled)) == 1 - executing


@in_both_orders
async def test_a_recovery_is_put_off_or_executed(service: Service, order: int) -> None:
    """A reset of the password in the last second: either it waits three days more, or it is too late for that."""
    due = await due_recovery(service)
    at = await service.now()
    finish = service.hear(FinishRecovery(recovery_id=due.id), at=at)
    changed = service.hear(RecordPasswordChange(changed_at=at), at=at)
    await race(service, order, finish, changed)
    executing, after = len(await service.said(ExecuteRecovery)), await service.recovery()
    assert due.ready_at is not None
    assert after.ready_at is not None
    assert (executing, after.ready_at > due.ready_at) == ((1, False) if order == 1 else (0, True))


@in_both_orders
async def test_a_recovery_is_executed_or_ended_by_sso(service: Service, order: int) -> None:
    """Under SSO nobody recovers here: the identity provider lets in."""
    due = await due_recovery(service)
    at = await service.now()
    finish = service.hear(FinishRecovery(recovery_id=due.id), at=at)
    sso = service.ask(put_account({"sso": True}))
    await race(service, order, finish, sso)
    executing = len(await service.said(ExecuteRecovery))
    assert executing == (1 if order == 1 else 0)
    assert ((await service.recovery()).state is RecoveryState.CANCELLED) == (not executing)


@in_both_orders
async def test_two_requests_for_a_recovery_are_one(service: Service, order: int) -> None:
    """Two windows, one request: else each of them would have links and hours of its own."""
    await service.put()
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    await service.enrol()
    works = [service.ask(StartRecovery()), service.ask(StartRecovery())][::order]
    first, second = await in_turn(service.admin, service.tenant_id, ANN, *works)
    assert first == second
    assert len(await service.said(events.RecoveryRequested)) == 1


@in_both_orders
async def test_a_lock_and_the_news_of_an_enrolment_end_in_an_open_door(service: Service, order: int) -> None:
    """The factor is there before its news: whichever is handled first, nobody is told of a lock."""
    lock = await overdue_account(service)
    factor_id = FactorId(new_id())
    await service.give_factor(factor_id)
    at = await service.now()
    confirmed = events.FactorConfirmed(factor_id=factor_id, factor_type=FactorType.TOTP, is_first=True)
    await race(service, order, service.hear(lock, at=at), service.hear(confirmed, at=at))
    assert await service.said(events.EnforcementLockedOut) == []
    assert await service.said(events.SessionsShouldEnd) == []
    assert len(await service.said(events.EnforcementSatisfied)) == 1
    assert (await view(service)).enforcement.state is EnforcementState.SATISFIED


@in_both_orders
async def test_a_lock_and_an_unlock_end_in_an_open_door(service: Service, order: int) -> None:
    """The admin was on the phone when the deadline passed: what they granted holds."""
    lock = await overdue_account(service)
    at = await service.now()
    unlock = service.ask(Unlock(hours=24, reason="On the phone"))
    await race(service, order, service.hear(lock, at=at), unlock)
    assert (await view(service)).enforcement.state is EnforcementState.GRACE
    assert len(await service.said(events.EnforcementLockedOut)) == (1 if order == 1 else 0)
    assert len(await service.said(events.EnforcementUnlocked)) == 1


async def view(service: Service) -> AccountView:
    """The account as its helpdesk sees it."""
    return await service.change()
