"""The lost device: what ends a recovery before its time, and what does not."""

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
    DenyRecovery,
    ExecuteRecovery,
    ExpireRecovery,
    Notify,
    StartRecovery,
)
from shared.contracts.replies import RecoveryView, RefusalCode
from shared.contracts.types import (
    ChallengeId,
    Channel,
    FactorId,
    FactorType,
    Method,
    Purpose,
    RecoveryId,
    RecoveryState,
)
from shared.crypto.keyring import load_ring
from shared.crypto.sealing import seal, secret_param_place, typed_place, unseal
from shared.ids import new_id
from shared.messaging.bus import Ack
from shared.secret import Secret
from tests.handlers.policy.conftest import ANN, DAY, HOUR, OpenService, Service, contact
from tests.support.recoveries import channel_of, prove, start
from tests.support.tenants import new_tenant


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


async def test_what_is_being_executed_cannot_be_cancelled(ann: Service, key_dir: Path) -> None:
    """otp_worker may have revoked the factors by now: a "cancelled" would be a lie."""
    waiting = await prove(ann)
    await ann.move(DAY)
    assert await ann.refused(CancelRecovery(recovery_id=waiting.id)) is RefusalCode.RECOVERY_OVER
    await succeed(ann, Method.TOTP)
    assert (await ann.recovery()).state is RecoveryState.WAITING
