"""The lost device: asked for, proved, waited for, cancelled, executed."""

import asyncio
import datetime as dt
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from shared.contracts import events
from shared.contracts.commands import (
    CancelChallenges,
    CancelRecovery,
    ConcludeRecovery,
    DenyRecovery,
    ExecuteRecovery,
    ExpireRecovery,
    FinishRecovery,
    Notify,
    OpenRecoveryChallenge,
    ProveMailbox,
    ReadAccount,
    ReadRecovery,
    RecordPasswordChange,
    SendEmail,
    StartRecovery,
)
from shared.contracts.notifications import Notification
from shared.contracts.policy import Policy, RecoverySettings
from shared.contracts.replies import AccountView, RecoveryView, RefusalCode
from shared.contracts.types import (
    ChallengeId,
    Channel,
    DeliveryId,
    EnforcementState,
    FactorId,
    FactorType,
    Method,
    Purpose,
    RecoveryId,
    RecoveryState,
)
from shared.crypto.keyring import load_ring
from shared.crypto.sealing import seal, secret_param_place, typed_place, unseal
from shared.db.account_lock import lock_account
from shared.ids import new_id
from shared.messaging.bus import Ack
from shared.secret import Secret
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, OpenService, Service, contact
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

HOUR = 3600


@pytest.fixture
async def ann(service: Service) -> Service:
    """A tenant whose Ann has a proved mailbox and an authenticator, which she has just lost."""
    await service.put()
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    await service.enrol()
    return service


async def start(service: Service) -> RecoveryView:
    """Ask for a recovery."""
    return RecoveryView.model_validate(await service.ask(StartRecovery()))


async def prove(service: Service) -> RecoveryView:
    """Ask for a recovery and prove the mailbox."""
    draft = await start(service)
    assert draft.challenge_id is not None
    await service.hear(
        events.ChallengeVerified(
            challenge_id=draft.challenge_id, purpose=Purpose.RECOVERY, method=Method.EMAIL, recovery_id=draft.id
        )
    )
    return await service.recovery()


def signed_in(method: Method = Method.TOTP, *, by_factor: bool = True) -> events.ChallengeVerified:
    """News of a login."""
    return events.ChallengeVerified(
        challenge_id=ChallengeId(new_id()),
        purpose=Purpose.SIGN_IN,
        method=method,
        factor_id=FactorId(new_id()) if by_factor else None,
    )


async def succeed(service: Service, method: Method, *, by_factor: bool = True, at: dt.datetime | None = None) -> None:
    """News of a login arrive."""
    await service.hear(signed_in(method, by_factor=by_factor), at=at)


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


def channel_of(notify: Notify) -> Channel:
    """Mail or SMS."""
    return Channel.EMAIL if isinstance(notify, SendEmail) else Channel.SMS


async def links(service: Service, key_dir: Path) -> dict[Channel, str]:
    """The cancel links that were told, opened as the notifier does; each channel always hears the same."""
    found: dict[Channel, set[str]] = {}
    for each in await service.said(Notify):
        if each.data.secrets is not None:
            place = secret_param_place(service.tenant_id, each.account_id or "", each.data.delivery_id)
            opened = json.loads(unseal(load_ring(key_dir, "seal.notifier"), each.data.secrets, place).reveal())
            found.setdefault(channel_of(each.data), set()).add(opened["cancel_url"])
    assert all(len(urls) == 1 for urls in found.values())
    return {channel: url for channel, urls in found.items() for url in urls}


def by_link(service: Service, url: str, key_dir: Path, *, is_attack: bool = False) -> CancelRecovery:
    """The command that the page of a cancel link sends."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["tenant"] == str(service.tenant_id)
    place = typed_place(service.tenant_id, query["request"], "token")
    token = seal(load_ring(key_dir, "seal.policy"), Secret(query["token"]), place)
    return CancelRecovery(recovery_id=RecoveryId(UUID(query["request"])), token=token, is_attack=is_attack)


async def test_asking_mails_a_code_to_the_mailbox(ann: Service) -> None:
    """The draft names the challenge that proves the mailbox; nothing else happens yet."""
    draft = await start(ann)
    assert (draft.state, draft.mailbox, draft.ready_at) == (RecoveryState.DRAFT, "a•••l", None)
    [opened] = await ann.said(OpenRecoveryChallenge)
    assert (opened.data.challenge_id, opened.data.recovery_id) == (draft.challenge_id, draft.id)
    assert opened.data.mailbox == contact("ann-mail")
    assert len(await ann.said(events.RecoveryRequested)) == 1
    assert await ann.notices() == []


async def test_asking_again_changes_nothing(ann: Service) -> None:
    """Neither a restart, which would keep the owner out, nor a shorter way in."""
    assert await start(ann) == await start(ann)
    waiting = await prove(ann)
    await ann.move(HOUR)
    assert await start(ann) == waiting
    assert len(await ann.said(OpenRecoveryChallenge)) == 1


async def test_a_draft_mails_another_code_once_the_first_has_expired(ann: Service) -> None:
    """Else a person who missed the ten minutes would wait a day for the next try."""
    first = await start(ann)
    await ann.move(600)
    second = await start(ann)
    assert second.id == first.id
    assert second.challenge_id != first.challenge_id


async def test_a_draft_expires_after_a_day(ann: Service) -> None:
    """What nobody proves is no request."""
    await start(ann)
    await ann.move(DAY)
    assert (await ann.recovery()).state is RecoveryState.EXPIRED
    assert len(await ann.said(events.RecoveryExpired)) == 1


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


@pytest.mark.parametrize("method", [Method.TOTP, Method.SMS, Method.WEBAUTHN, Method.EMAIL])
async def test_a_success_with_a_factor_cancels(ann: Service, method: Method) -> None:
    """Who signs in has lost nothing; if somebody else asked, this ends it."""
    await prove(ann)
    await succeed(ann, method)
    assert (await ann.recovery()).state is RecoveryState.CANCELLED
    assert (await ann.notices())[-1][0] == "recovery_cancelled"
    assert await ann.pending() == []


@pytest.mark.parametrize("method", [Method.BACKUP_CODE, Method.RECOVERY_KEY, Method.RECOVERY_CODE])
async def test_a_success_with_a_saved_code_cancels(ann: Service, method: Method) -> None:
    """A saved code is the person's, too."""
    await prove(ann)
    await succeed(ann, method, by_factor=False)
    assert (await ann.recovery()).state is RecoveryState.CANCELLED


async def test_a_trusted_device_and_a_mailbox_do_not_cancel(ann: Service) -> None:
    """The thief may have the laptop or the mailbox; neither is a second factor."""
    await prove(ann)
    await succeed(ann, Method.TRUSTED_DEVICE)
    await succeed(ann, Method.EMAIL, by_factor=False)
    assert (await ann.recovery()).state is RecoveryState.WAITING


@pytest.mark.parametrize("place", [0, 1], ids=["first", "last"])
async def test_of_many_who_sign_in_the_one_who_recovers_is_found(
    ann: Service, open_service: OpenService, dsn: str, place: int
) -> None:
    """News of logins comes by the frame, of many tenants; whose recovery waits must not be missed among them."""
    await prove(ann)
    stranger = open_service(await new_tenant(dsn))  # whose Ann is somebody else
    news = [stranger.envelope(signed_in(), at=await ann.now()), ann.envelope(signed_in(), "bob", at=await ann.now())]
    news.insert(place * len(news), ann.envelope(signed_in(), at=await ann.now()))
    assert await ann.hear_together(*news) == [Ack()] * len(news)
    assert (await ann.recovery()).state is RecoveryState.CANCELLED
    assert await ann.hear_together(*news) == [Ack()] * len(news)
    assert len(await ann.said(events.RecoveryCancelled)) == 1


async def test_a_login_that_cancels_nothing_writes_nothing(ann: Service) -> None:
    """It is every login: a row and a commit for each would be as much again as its verdict costs."""
    news = [ann.envelope(signed_in(), each, at=await ann.now()) for each in (ANN, "bob")]
    assert await ann.hear_together(*news) == [Ack()] * len(news)
    handled = "SELECT count(*) FROM bus.inbox WHERE message_id = ANY ($1)"
    assert await ann.admin.fetchval(handled, [each.id for each in news]) == 0


async def test_a_login_tells_of_itself_again_and_finds_a_younger_recovery(ann: Service) -> None:
    """What cancelled nothing was not written down; redelivered, it says of what came after it no more than before."""
    news = ann.envelope(signed_in(), at=await ann.now())
    await ann.hear_together(news)
    await ann.move(HOUR)
    await prove(ann)
    assert await ann.hear_together(news) == [Ack()]
    assert (await ann.recovery()).state is RecoveryState.WAITING


async def test_old_news_does_not_cancel(ann: Service) -> None:
    """A login from before the loss says nothing, however late its event arrives."""
    before = await ann.now()
    await ann.move(HOUR)
    await prove(ann)
    await succeed(ann, Method.TOTP, at=before)
    assert (await ann.recovery()).state is RecoveryState.WAITING


async def test_a_new_factor_cancels(ann: Service) -> None:
    """Whoever can enrol is in already."""
    await prove(ann)
    await ann.enrol(kind=FactorType.EMAIL)
    view = await ann.recovery()
    assert (view.state, view.end_reason) == (RecoveryState.CANCELLED, "factor_added")


async def test_the_code_of_a_draft_that_is_over_is_called_in(ann: Service) -> None:
    """Whoever types it later must not believe that the waiting has begun; one that was proved is spent already."""
    stopped = await start(ann)
    await ann.ask(CancelRecovery(recovery_id=stopped.id))
    forgotten = await start(ann)
    await ann.move(DAY)
    await ann.hear(ExpireRecovery(recovery_id=forgotten.id))
    called_in = [each.data.challenge_id for each in await ann.said(CancelChallenges)]
    assert called_in == [stopped.challenge_id, forgotten.challenge_id]
    proved = await prove(ann)
    await ann.ask(CancelRecovery(recovery_id=proved.id))
    assert len(await ann.said(CancelChallenges)) == 2


async def test_sso_and_deactivation_cancel(ann: Service) -> None:
    """Neither signs in with a password any more."""
    await prove(ann)
    await ann.change(sso=True)
    assert (await ann.recovery()).end_reason == "sso"


async def test_factors_that_are_gone_supersede_it(ann: Service) -> None:
    """Their owner has removed the last one, with a proof: nothing is left to recover."""
    await prove(ann)
    await ann.drop_factors()
    gone = events.FactorRevoked(factor_id=FactorId(new_id()), factor_type=FactorType.TOTP, reason="asked", is_last=True)
    await ann.hear(gone)
    assert (await ann.recovery()).state is RecoveryState.SUPERSEDED
    assert len(await ann.said(events.RecoverySuperseded)) == 1


async def test_a_link_cancels_without_signing_in(ann: Service, key_dir: Path) -> None:
    """One click from any notice, on any channel; the second click finds it done."""
    await ann.change(phone=contact("ann-phone"))
    await prove(ann)
    told = await links(ann, key_dir)
    assert set(told) == {Channel.EMAIL, Channel.SMS}
    cancelled = RecoveryView.model_validate(await ann.ask(by_link(ann, told[Channel.SMS], key_dir), None))
    assert (cancelled.state, cancelled.end_reason) == (RecoveryState.CANCELLED, "cancelled_by_link")
    again = RecoveryView.model_validate(await ann.ask(by_link(ann, told[Channel.EMAIL], key_dir), None))
    assert again == cancelled
    assert len(await ann.said(events.RecoveryCancelled)) == 1


async def test_the_links_stay_the_same(ann: Service, key_dir: Path) -> None:
    """A link in the first mail must work until the last hour."""
    await prove(ann)
    first = await links(ann, key_dir)
    await ann.move(DAY - 60)
    assert await links(ann, key_dir) == first


async def test_a_forged_link_cancels_nothing(ann: Service, key_dir: Path) -> None:
    """Cancelling is what a thief's victim does; still, strangers must not."""
    waiting = await prove(ann)
    url = (await links(ann, key_dir))[Channel.EMAIL]
    for token in (url[:-1] + ("A" if url[-1] != "A" else "B"), url[:-20] + "%FF", url.replace("token=k1", "token=k9")):
        assert await ann.refused(by_link(ann, token, key_dir), None) is RefusalCode.RECOVERY_NOT_FOUND
    unsigned = CancelRecovery(recovery_id=waiting.id)
    assert await ann.refused(unsigned, None) is RefusalCode.RECOVERY_NOT_FOUND
    assert await ann.refused(unsigned, "bob") is RefusalCode.RECOVERY_NOT_FOUND
    other = RecoveryId(new_id())
    assert await ann.refused(CancelRecovery(recovery_id=other)) is RefusalCode.RECOVERY_NOT_FOUND


async def test_this_was_not_me(ann: Service, key_dir: Path) -> None:
    """An attack is cancelled, named as one, and cannot be tried again for a day; sessions are told to end."""
    await prove(ann)
    told = await links(ann, key_dir)
    await ann.ask(by_link(ann, told[Channel.EMAIL], key_dir))
    view = RecoveryView.model_validate(await ann.ask(by_link(ann, told[Channel.EMAIL], key_dir, is_attack=True)))
    assert view.end_reason == "attack"
    await ann.ask(by_link(ann, told[Channel.EMAIL], key_dir, is_attack=True))
    assert len(await ann.said(events.RecoveryAttack)) == 1
    assert [each.data.reason for each in await ann.said(events.SessionsShouldEnd)] == ["recovery_attack"]
    assert await ann.refused(StartRecovery()) is RefusalCode.TOO_SOON
    await ann.move(DAY)
    assert (await start(ann)).state is RecoveryState.DRAFT


async def test_an_admin_denies(ann: Service) -> None:
    """With a reason, which is kept; once; and who was told that it waits hears that it does not."""
    waiting = await prove(ann)
    denied = RecoveryView.model_validate(await ann.ask(DenyRecovery(recovery_id=waiting.id, reason="unknown caller")))
    assert (denied.state, denied.end_reason, denied.end_note) == (RecoveryState.DENIED, "denied", "unknown caller")
    again = DenyRecovery(recovery_id=waiting.id, reason="again")
    assert await ann.refused(again) is RefusalCode.RECOVERY_OVER
    assert len(await ann.said(events.RecoveryDenied)) == 1
    assert (await ann.notices())[-1] == ("recovery_cancelled", "a•••l")
    await ann.move(2 * DAY)
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


async def test_at_most_three_in_thirty_days(ann: Service) -> None:
    """Each is a chance that the owner misses the notices."""
    for _ in range(3):
        await ann.ask(CancelRecovery(recovery_id=(await start(ann)).id))
    assert await ann.refused(StartRecovery()) is RefusalCode.TOO_MANY_RECOVERIES
    await ann.move(30 * DAY)
    await start(ann)


async def test_an_unproved_mailbox_cannot_recover(service: Service) -> None:
    """An address that was set a minute ago proves nothing; after a week unchanged it serves."""
    await service.put()
    await service.enrol()
    assert await service.refused(StartRecovery()) is RefusalCode.NO_MAILBOX
    await service.move(7 * DAY)
    await start(service)


async def test_it_is_not_offered_where_it_makes_no_sense(service: Service) -> None:
    """No factor, an e-mail factor, SSO, or a tenant that does not want it."""
    await service.put()
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    assert await service.refused(StartRecovery()) is RefusalCode.RECOVERY_NOT_OFFERED
    await service.enrol(kind=FactorType.EMAIL)
    assert await service.refused(StartRecovery()) is RefusalCode.RECOVERY_NOT_OFFERED
    await service.drop_factors()
    await service.enrol()
    await service.change(sso=True)
    assert await service.refused(StartRecovery()) is RefusalCode.RECOVERY_NOT_OFFERED
    await service.change(sso=False)
    await service.require(Policy(recovery=RecoverySettings(enabled=False)))
    assert await service.refused(StartRecovery()) is RefusalCode.RECOVERY_NOT_OFFERED
    await service.change(active=False)
    assert await service.refused(StartRecovery()) is RefusalCode.ACCOUNT_INACTIVE
    assert await service.refused(StartRecovery(), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND
    assert await service.refused(ReadRecovery()) is RefusalCode.RECOVERY_NOT_FOUND


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


async def test_what_is_being_executed_cannot_be_cancelled(ann: Service, key_dir: Path) -> None:
    """otp_worker may have revoked the factors by now: a "cancelled" would be a lie."""
    waiting = await prove(ann)
    await ann.move(DAY)
    assert await ann.refused(CancelRecovery(recovery_id=waiting.id)) is RefusalCode.RECOVERY_OVER
    await succeed(ann, Method.TOTP)
    assert (await ann.recovery()).state is RecoveryState.WAITING


async def test_no_token_leaves_in_clear(ann: Service) -> None:
    """Queues and dead letters are read by people; the link is for its owner only."""
    await prove(ann)
    rows = await ann.admin.fetch("SELECT body FROM bus.outbox WHERE tenant_id = $1", ann.tenant_id)
    assert rows
    assert not any(b"token=" in row["body"] for row in rows)
