"""The owner says "this was not me": what a stranger may have begun ends, and somebody with power hears of it."""

import datetime as dt

import pytest

from shared.contracts import events
from shared.contracts.commands import Notify, SendEmail, StartRecovery
from shared.contracts.notifications import Notification
from shared.contracts.replies import RecoveryView, RefusalCode
from shared.contracts.types import Channel, DeliveryId, RecoveryId, RecoveryState
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, DAY, Service, contact


async def dispute(
    service: Service,
    *,
    is_repeated: bool = False,
    said_at: dt.datetime | None = None,
    recovery_id: RecoveryId | None = None,
) -> None:
    """News of it from the notifier."""
    await service.hear(
        events.NoticeDisputed(
            delivery_id=DeliveryId(new_id()),
            notification=Notification.FACTOR_ADDED,
            channel=Channel.EMAIL,
            happened_at=await service.now(),
            said_at=said_at,
            recovery_id=recovery_id,
            is_repeated=is_repeated,
        )
    )


async def mails_to_admins(service: Service) -> list[tuple[str | None, str, str]]:
    """Whose, where to and in which language."""
    told = [each for each in await service.said(Notify) if each.data.notification == Notification.DISPUTE_FOR_ADMINS]
    assert all(isinstance(each.data, SendEmail) for each in told)
    return [(each.account_id, each.data.destination.masked, each.data.language) for each in told]


async def test_an_open_recovery_ends_as_an_attack_and_sessions_should_end(ann: Service) -> None:
    """Whoever is in the account may also have asked for the recovery, and asks again at once."""
    recovery = RecoveryView.model_validate(await ann.ask(StartRecovery()))
    await dispute(ann)
    view = await ann.recovery()
    assert (view.id, view.state, view.end_reason) == (recovery.id, RecoveryState.CANCELLED, "attack")
    assert len(await ann.said(events.RecoveryAttack)) == 1
    [ended] = await ann.said(events.SessionsShouldEnd)
    assert (ended.account_id, ended.data.reason) == (ANN, "notice_disputed")
    assert await ann.refused(StartRecovery()) is RefusalCode.TOO_SOON
    await ann.move(DAY)
    await ann.ask(StartRecovery())


async def test_what_was_said_before_the_account_was_made_ends_nothing_of_it(ann: Service) -> None:
    """An id may be given again: the one before may dispute late, and must not sign the new one's owner out."""
    recovery = RecoveryView.model_validate(await ann.ask(StartRecovery()))
    before = await ann.now() - dt.timedelta(minutes=1)
    disputed = events.NoticeDisputed(
        delivery_id=DeliveryId(new_id()),
        notification=Notification.FACTOR_ADDED,
        channel=Channel.EMAIL,
        happened_at=before,
        is_repeated=False,
    )
    await ann.hear(disputed, at=before)
    assert (await ann.recovery()).state is recovery.state
    assert await ann.said(events.SessionsShouldEnd) == []


async def test_the_admins_are_told_and_nobody_else(ann: Service) -> None:
    """Not who is inactive, not an address that nobody vouched for, and not the account under another id."""
    await ann.put("root", role="admin", email=contact("root-mail"), locale="de")
    await ann.put("second", role="admin", email=contact("second-mail"))
    await ann.put("gone", role="admin", email=contact("gone-mail"), active=False)
    await ann.put("unknown", role="admin", email=contact("unknown-mail"), email_verified=False)
    await ann.put("twin", role="admin", email=contact("ann-mail"))
    await ann.put("agent", role="agent", email=contact("agent-mail"))
    await dispute(ann)
    assert await mails_to_admins(ann) == [("root", "r•••l", "de"), ("second", "s•••l", "en")]


async def test_an_admin_is_not_told_of_the_own_account(ann: Service) -> None:
    """Who took the account over reads its mail."""
    await ann.change(role="admin")
    await ann.put("root", role="admin", email=contact("root-mail"))
    await dispute(ann)
    assert [account_id for account_id, _, _ in await mails_to_admins(ann)] == ["root"]


async def test_one_incident_is_one_mail_to_the_admins(ann: Service) -> None:
    """The owner presses the button in the mail and in the SMS; what ends, ends each time."""
    await ann.put("root", role="admin", email=contact("root-mail"))
    await dispute(ann)
    await dispute(ann, is_repeated=True)
    assert len(await mails_to_admins(ann)) == 1
    assert len(await ann.said(events.SessionsShouldEnd)) == 2


async def test_an_account_that_is_gone_is_no_fault(service: Service) -> None:
    """A link outlives its account."""
    await dispute(service)
    assert await service.said(events.SessionsShouldEnd) == []


async def test_a_notice_from_before_says_nothing_against_a_recovery(ann: Service) -> None:
    """Each link is good for 30 days: whoever reads old mail would else stop one recovery after the other."""
    before = await ann.now() - dt.timedelta(seconds=1)
    recovery = RecoveryView.model_validate(await ann.ask(StartRecovery()))
    await dispute(ann, said_at=before)
    view = await ann.recovery()
    assert (view.id, view.state) == (recovery.id, RecoveryState.DRAFT)
    assert await ann.said(events.RecoveryAttack) == []
    assert len(await ann.said(events.SessionsShouldEnd)) == 1


@pytest.mark.parametrize("is_its_own", [True, False], ids=["about it", "after it"])
async def test_a_notice_about_it_or_after_it_stops_a_recovery(ann: Service, *, is_its_own: bool) -> None:
    """The owner hears of something today and says no: what runs today ends with it."""
    recovery = RecoveryView.model_validate(await ann.ask(StartRecovery()))
    said_at = await ann.now()
    if is_its_own:
        await dispute(ann, said_at=said_at - dt.timedelta(days=1), recovery_id=recovery.id)
    else:
        await dispute(ann, said_at=said_at)
    view = await ann.recovery()
    assert (view.state, view.end_reason) == (RecoveryState.CANCELLED, "attack")
