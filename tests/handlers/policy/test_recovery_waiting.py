"""The lost device: a recovery waits, is heard of, and is executed when its time has come."""

import asyncio
import datetime as dt

from shared.contracts import events
from shared.contracts.commands import (
    CancelRecovery,
    ConcludeRecovery,
    ExecuteRecovery,
    FinishRecovery,
    Notify,
    ReadAccount,
    RecordPasswordChange,
    SendEmail,
)
from shared.contracts.notifications import Notification
from shared.contracts.replies import AccountView
from shared.contracts.types import (
    Channel,
    DeliveryId,
    EnforcementState,
    FactorId,
    FactorType,
    RecoveryId,
    RecoveryState,
)
from shared.db.account_lock import lock_account
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, HOUR, Service, contact
from tests.support.eventually import eventually
from tests.support.recoveries import channel_of, prove


async def sent(
    service: Service,
    recovery_id: RecoveryId,
    channel: Channel,
    masked: str,
    notification: Notification = Notification.RECOVERY_WAITING,
) -> None:
    """A provider took a notice."""
    await service.hear(
        events.NotificationSent(
            delivery_id=DeliveryId(new_id()),
            notification=notification,
            channel=channel,
            destination=masked,
            recovery_id=recovery_id,
        )
    )


async def test_a_proof_starts_the_waiting_period_loudly(ann: Service) -> None:
    """24 hours, told on every channel with the hour and a link to cancel."""
    await ann.change(phone=contact("ann-phone"))
    waiting = await prove(ann)
    assert waiting.state is RecoveryState.WAITING
    assert waiting.ready_at is not None
    assert dt.timedelta(hours=23, minutes=59) < waiting.ready_at - await ann.now() <= dt.timedelta(hours=24)
    told = [each.data for each in await ann.said(Notify) if each.data.notification == "recovery_waiting"]
    assert [(channel_of(each), each.params["hours"]) for each in told] == [("email", 24), ("sms", 24)]
    assert all(each.recovery_id == waiting.id for each in told)
    assert [kind for kind, _ in await ann.pending()] == ["remind_of_recovery", "remind_of_recovery", "finish_recovery"]


async def test_the_factors_own_number_hears_of_it(ann: Service) -> None:
    """Whoever still has the phone must learn that somebody says it is lost."""
    await ann.give_factor(FactorId(new_id()), kind=FactorType.SMS, phone="z-factor-phone")
    await prove(ann)
    assert ("recovery_waiting", "z•••e") in await ann.notices()


async def test_the_period_passes_and_the_factors_go(ann: Service) -> None:
    """HelpKit's rule: one minute before, nothing; then otp_worker is told, and the account must enrol anew."""
    await ann.require(EVERYBODY)
    waiting = await prove(ann)
    await ann.move(DAY - 60)
    assert await ann.said(ExecuteRecovery) == []
    await ann.move(60)
    [execute] = await ann.said(ExecuteRecovery)
    assert (execute.data.recovery_id, execute.data.requested_at) == (waiting.id, waiting.requested_at)
    assert [name for name, _ in await ann.notices() if name.startswith("recovery")] == [
        "recovery_waiting",
        "recovery_half_time",
        "recovery_last_hour",
    ]
    await ann.drop_factors()
    await ann.hear(ConcludeRecovery(recovery_id=waiting.id, is_executed=True, revoked_factors=1))
    assert (await ann.recovery()).state is RecoveryState.EXECUTED
    [executed] = await ann.said(events.RecoveryExecuted)
    assert executed.data.revoked_factors == 1
    assert (await ann.notices())[-1] == ("recovery_executed", "a•••l")
    view = AccountView.model_validate(await ann.ask(ReadAccount()))
    assert view.enforcement.state is EnforcementState.MUST_ENROL


async def test_a_success_that_otp_worker_saw_stops_the_execution(ann: Service) -> None:
    """The last guard: news of a success may be slower than the timer."""
    waiting = await prove(ann)
    await ann.move(DAY)
    await ann.hear(ConcludeRecovery(recovery_id=waiting.id, is_executed=False))
    view = await ann.recovery()
    assert (view.state, view.end_reason) == (RecoveryState.CANCELLED, "real_success")
    assert (await ann.notices())[-1][0] == "recovery_cancelled"


async def test_a_conclusion_counts_once(ann: Service) -> None:
    """A second one, or one that nobody asked for, tells nobody anything."""
    waiting = await prove(ann)
    await ann.hear(ConcludeRecovery(recovery_id=waiting.id, is_executed=True))
    assert (await ann.recovery()).state is RecoveryState.WAITING
    await ann.move(DAY)
    await ann.hear(ConcludeRecovery(recovery_id=waiting.id, is_executed=True))
    await ann.hear(ConcludeRecovery(recovery_id=waiting.id, is_executed=True))
    assert len(await ann.said(events.RecoveryExecuted)) == 1


async def test_finishing_early_does_nothing(ann: Service) -> None:
    """Whoever sends the command, only the database's clock opens this door."""
    waiting = await prove(ann)
    await ann.move(DAY - 60)
    await ann.hear(FinishRecovery(recovery_id=waiting.id))
    assert await ann.said(ExecuteRecovery) == []


async def test_a_password_change_meanwhile_makes_it_wait_longer(ann: Service) -> None:
    """A thief changes the password first; the new hour is told again."""
    waiting = await prove(ann)
    await ann.move(HOUR)
    changed_at = await ann.now()
    await ann.hear(RecordPasswordChange(changed_at=changed_at))
    assert (await ann.recovery()).ready_at == changed_at + dt.timedelta(hours=72)
    assert len(await ann.said(events.RecoveryWaiting)) == 2
    await ann.move(DAY)
    assert await ann.said(ExecuteRecovery) == []
    await ann.move(2 * DAY)
    assert [each.data.recovery_id for each in await ann.said(ExecuteRecovery)] == [waiting.id]


async def test_a_changed_address_makes_it_wait_a_week(ann: Service) -> None:
    """And the address before it goes on hearing of it."""
    await prove(ann)
    await ann.change(email=contact("thief-mail"), email_verified=True)
    view = await ann.recovery()
    assert view.ready_at is not None
    assert view.ready_at - await ann.now() > dt.timedelta(days=6, hours=23)
    assert ("recovery_waiting", "a•••l") in await ann.notices()


async def test_what_nobody_heard_of_waits_longer(ann: Service) -> None:
    """There is a phone, and no provider took a notice for it: a delay that nobody hears of protects nobody."""
    await ann.change(phone=contact("ann-phone"))
    waiting = await prove(ann)
    await sent(ann, waiting.id, Channel.EMAIL, "a•••l")
    await ann.move(DAY)
    assert await ann.said(ExecuteRecovery) == []
    assert (await ann.recovery()).state is RecoveryState.WAITING
    await sent(ann, waiting.id, Channel.SMS, "a•••e")
    await ann.move(DAY)
    assert len(await ann.said(ExecuteRecovery)) == 1


async def test_what_nobody_hears_of_for_days_ends_and_is_an_admins_to_mend(ann: Service) -> None:
    """Three days more, with an alarm each; then it stops: unheard, it lets nobody in."""
    await ann.change(phone=contact("ann-phone"))
    await prove(ann)
    for _ in range(3):
        await ann.move(DAY)
        assert (await ann.recovery()).state is RecoveryState.WAITING
    await ann.move(DAY)
    view = await ann.recovery()
    assert (view.state, view.end_reason) == (RecoveryState.CANCELLED, "unheard")
    assert await ann.said(ExecuteRecovery) == []
    assert (await ann.notices())[-1][0] == "recovery_cancelled"


async def for_admins(service: Service) -> list[tuple[str | None, dict[str, object]]]:
    """What the admins were mailed of a recovery, and whose account each of them has."""
    told = await service.said(SendEmail)
    return [(each.account_id, each.data.params) for each in told if each.data.notification == "recovery_for_admins"]


async def test_where_only_the_mailbox_is_known_the_admins_hear_of_it(ann: Service) -> None:
    """At every stage; a thief who reads the mailbox reads all the notices, and nobody else would know."""
    await ann.put("root", role="admin", email=contact("root-mail"))
    waiting = await prove(ann)
    [(admin, params)] = await for_admins(ann)
    assert (admin, params["account"], params["mailbox"]) == ("root", ANN, "a•••l")
    assert params["recovery"] == str(waiting.id)
    assert "cancel_url" not in params
    await ann.move(DAY - 60)
    assert len(await for_admins(ann)) == 3
    assert all(each.data.secrets is None for each in await ann.said(SendEmail) if each.account_id == "root")


async def test_admins_are_left_alone_where_the_person_is_known_elsewhere(ann: Service) -> None:
    """Mail about everybody's lost phone is mail that nobody reads."""
    await ann.put("root", role="admin", email=contact("root-mail"))
    await ann.change(phone=contact("ann-phone"))
    await prove(ann)
    assert await for_admins(ann) == []


async def test_an_admins_mail_that_nobody_took_prolongs_the_wait(ann: Service) -> None:
    """They are the only ones who could notice; once a provider took it, the period is enough."""
    await ann.put("root", role="admin", email=contact("root-mail"))
    waiting = await prove(ann)
    await sent(ann, waiting.id, Channel.EMAIL, "a•••l")
    await ann.move(DAY)
    assert await ann.said(ExecuteRecovery) == []
    await sent(ann, waiting.id, Channel.EMAIL, "a•••l", Notification.RECOVERY_FOR_ADMINS)
    await ann.move(DAY)
    assert len(await ann.said(ExecuteRecovery)) == 1


async def test_where_nobody_could_hear_waiting_longer_is_pointless(ann: Service) -> None:
    """No phone, no admin with an address: the helpdesk has the event, and the person is not kept out."""
    await ann.put("root", role="admin", email=contact("root-mail"), email_verified=False)
    await prove(ann)
    await ann.move(DAY)
    assert len(await ann.said(ExecuteRecovery)) == 1


async def test_a_cancel_and_an_execution_at_once_have_one_winner(ann: Service) -> None:
    """Whoever comes second finds it decided: never cancelled and executed, never neither."""
    waiting = await prove(ann)
    await ann.admin.execute("UPDATE policy.timers SET due_at = due_at + interval '1 year'")
    await ann.move(DAY)
    await ann.admin.execute("BEGIN")
    await lock_account(ann.admin, ann.tenant_id, ANN)
    at = await ann.now()
    finish = asyncio.create_task(ann.hear(FinishRecovery(recovery_id=waiting.id), at=at))
    cancel = asyncio.create_task(ann.refusal_of(CancelRecovery(recovery_id=waiting.id)))
    await eventually(ann.count_waiting, lambda count: count == 2)
    await ann.admin.execute("COMMIT")
    await finish
    is_cancelled = (await cancel) is None
    assert is_cancelled == (await ann.said(ExecuteRecovery) == [])
    assert is_cancelled == ((await ann.recovery()).state is RecoveryState.CANCELLED)
