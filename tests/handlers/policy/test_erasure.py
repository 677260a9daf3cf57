"""An account leaves, and what comes too late, twice or in the wrong order afterwards."""

import asyncio
import datetime as dt
from typing import Any

from shared.clock import host_now
from shared.contracts import events
from shared.contracts.commands import (
    ConcludeErasure,
    EraseAccount,
    ExecuteRecovery,
    LockOutAccount,
    ProveMailbox,
    ReadAccount,
    RecordPasswordChange,
    StartRecovery,
)
from shared.contracts.envelope import Message
from shared.contracts.replies import AccountView, ErasureView, RecoveryView, RefusalCode
from shared.contracts.types import EnforcementState, FactorId, FactorType, Keeper, Method, Purpose, RecoveryState
from shared.ids import new_id
from shared.messaging.bus import Ack
from shared.messaging.topology import POLICY_COMMANDS
from tests.handlers.policy.conftest import ANN, DAY, Service, contact, put_account

SECOND = dt.timedelta(seconds=1)


async def erase(service: Service, version: int | None = None) -> ErasureView:
    """As the API asks."""
    return ErasureView.model_validate(await service.ask(EraseAccount(version=version)))


async def told(service: Service, message: Message, at: dt.datetime | None = None) -> None:
    """As the gateway passes an event on: its time is that of the host, when the event was accepted."""
    assert await service.hand(POLICY_COMMANDS, service.envelope(message, at=at or host_now())) == Ack()


async def account(service: Service) -> AccountView | None:
    """Ann as she stands; None: there is no such account."""
    if await service.refusal_of(ReadAccount()) is RefusalCode.ACCOUNT_NOT_FOUND:
        return None
    return AccountView.model_validate(await service.ask(ReadAccount()))


async def start_recovery(service: Service) -> RecoveryView:
    """She has lost her device, and her mailbox is known to be hers."""
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    return RecoveryView.model_validate(await service.ask(StartRecovery()))


async def conclude(service: Service, *keepers: Keeper) -> None:
    """Each of these has done its part; all, if none is named."""
    erased = (await service.said(events.AccountErased))[-1]
    for keeper in keepers or Keeper:
        await service.hear(ConcludeErasure(erasure_id=erased.data.erasure_id, keeper=keeper))


async def test_nothing_of_the_account_is_left_but_that_it_is_gone(service: Service) -> None:
    """Timers, requests, what was granted and announced: each names a person who has left."""
    await service.require()
    await service.put(phone=contact("ann-phone"), version=4)
    await service.enrol()
    await start_recovery(service)
    erased = await erase(service)
    assert (erased.account_id, erased.version, erased.is_finished) == (ANN, 4, False)
    for table in ("accounts", "enforcements", "recovery_requests", "timers"):
        query = f"SELECT count(*) FROM policy.{table} WHERE tenant_id = $1 AND account_id = $2"  # noqa: S608
        assert await service.admin.fetchval(query, service.tenant_id, ANN) == 0, table
    [said] = await service.said(events.AccountErased)
    assert (said.account_id, said.data.version, said.time) == (ANN, 4, erased.erased_at)
    [ended] = await service.said(events.RecoveryCancelled)
    assert ended.data.reason == "account_erased"
    assert await service.refused(ReadAccount()) is RefusalCode.ACCOUNT_NOT_FOUND


async def test_erased_twice_is_erased_once(service: Service) -> None:
    """A backend that got no answer asks again, and hears when all is done."""
    await service.put()
    first = await erase(service)
    await conclude(service)
    again = await erase(service, version=9)
    assert (again.erased_at, again.is_finished, again.version) == (first.erased_at, True, 9)
    assert len(await service.said(events.AccountErased)) == 1


async def test_it_is_finished_when_every_service_is_done(service: Service) -> None:
    """Who writes "your data is deleted" to a person on our word must not write it while mails to them lie about."""
    await service.put()
    await erase(service)
    for keeper in Keeper:
        assert not (await erase(service)).is_finished
        await conclude(service, keeper)
        await conclude(service, keeper)
    assert (await erase(service)).is_finished


async def test_who_never_was_is_not_found_and_who_has_changed_since_stays(service: Service) -> None:
    """A deletion that was overtaken by newer news must not take the account away."""
    assert await service.refused(EraseAccount()) is RefusalCode.ACCOUNT_NOT_FOUND
    await service.put(version=7)
    assert await service.refused(EraseAccount(version=6)) is RefusalCode.VERSION_OUTDATED
    await told(service, EraseAccount(version=6))
    assert await account(service) is not None


async def test_a_version_up_to_the_last_one_does_not_bring_it_back(service: Service) -> None:
    """The upsert was on its way when the account was deleted: the person has left all the same."""
    await service.put(version=7)
    await erase(service, version=8)
    for version in (7, 8):
        await told(service, put_account({"role": "admin", "version": version}))
        assert await service.refused(put_account({"role": "admin", "version": version})) is RefusalCode.ACCOUNT_ERASED
    assert await account(service) is None
    assert (await service.put(version=9)).version == 9


async def test_an_event_from_before_the_end_does_not_bring_it_back(service: Service) -> None:
    """Without versions the instant decides at which the helpdesk spoke, not the one at which we got round to it."""
    before = host_now()
    await service.put()
    await erase(service)
    await told(service, put_account({"role": "agent"}), at=before)
    assert await account(service) is None
    await told(service, put_account({"role": "agent"}), at=host_now() + SECOND)
    assert await account(service) is not None


async def test_a_deletion_faster_than_the_account_itself_counts(service: Service) -> None:
    """Both events were sent, and the second arrived first."""
    await told(service, EraseAccount(version=2))
    await told(service, put_account({"role": "agent", "version": 1}))
    assert await account(service) is None
    await told(service, put_account({"role": "agent", "version": 3}))
    assert await account(service) is not None
    await told(service, EraseAccount(version=2))
    assert await account(service) is not None


async def test_the_id_given_again_is_a_new_account(service: Service) -> None:
    """Nothing of the one before counts for it: neither its factors, which are still being destroyed, nor its past."""
    await service.require()
    await service.put()
    await service.enrol(phone="ann-phone")
    await erase(service)
    again = await service.put(email=contact("new-mail"))
    assert again.enforcement.state is EnforcementState.GRACE
    await service.change(email=contact("x-mail"))
    told_of_it = {to for notification, to in await service.notices() if notification == "address_changed"}
    assert told_of_it == {"n•••l"}
    [_, second] = [each for each in await service.said(events.AccountUpserted) if each.data.is_new]
    assert second.time > (await service.said(events.AccountErased))[0].time


async def test_late_news_of_the_one_before_do_not_touch_the_new_one(service: Service) -> None:
    """What was on its way when the account left is about somebody else now."""
    await service.require()
    await service.put()
    await service.enrol()
    request = await start_recovery(service)
    before, host_before = await service.now(), host_now()
    satisfied = await service.said(events.EnforcementSatisfied)
    await erase(service)
    await conclude(service)
    await service.drop_factors()
    fresh = await service.put(email_verified=False)
    assert request.challenge_id is not None
    proved = events.ChallengeVerified(
        challenge_id=request.challenge_id,
        purpose=Purpose.RECOVERY,
        method=Method.EMAIL,
        recovery_id=request.id,
    )
    await service.hear(proved, at=before)
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest), at=before)
    await service.hear(LockOutAccount(deadline=before), at=before)
    await service.hear(events.AccountReset(reason="lost", revoked_factors=1), at=before)
    await told(service, RecordPasswordChange(changed_at=before), at=host_before)
    await service.hear(events.SessionsShouldEnd(reason="reset"), at=before)
    await service.hear(factor_of_before(is_first=True), at=before)
    assert await account(service) == fresh
    valid_from = "SELECT sessions_valid_from FROM policy.accounts WHERE tenant_id = $1 AND account_id = $2"
    assert await service.admin.fetchval(valid_from, service.tenant_id, ANN) is None
    assert await service.said(events.EnforcementSatisfied) == satisfied
    assert await service.said(ExecuteRecovery) == []
    assert await service.said(events.AccountPasswordChanged) == []


async def test_the_last_factor_of_the_one_before_ends_no_recovery_of_the_new_one(service: Service) -> None:
    """The news were on their way for a week; the person who has the id now waits for a way back in."""
    await service.put()
    before = await service.now()
    await erase(service)
    await conclude(service)
    await service.put()
    await service.enrol()
    await start_recovery(service)
    await service.drop_factors()
    revoked = events.FactorRevoked(
        factor_id=FactorId(new_id()), factor_type=FactorType.TOTP, is_last=True, reason="asked"
    )
    await service.hear(revoked, at=before)
    assert (await service.recovery()).state is RecoveryState.DRAFT


def factor_of_before(*, is_first: bool) -> events.FactorConfirmed:
    """Of who had the id."""
    return events.FactorConfirmed(factor_id=FactorId(new_id()), factor_type=FactorType.TOTP, is_first=is_first)


async def test_an_erasure_concluded_late_is_not_the_next_one(service: Service) -> None:
    """The id was given again and erased again: only the last one's end frees it."""
    await service.put()
    await erase(service)
    [first] = await service.said(events.AccountErased)
    await service.put()
    await erase(service)
    await service.hear(ConcludeErasure(erasure_id=first.data.erasure_id))
    assert not (await erase(service)).is_finished
    await conclude(service)
    assert (await erase(service)).is_finished


async def test_a_change_and_the_end_at_once_leave_one_truth(service: Service) -> None:
    """Two connections: the account is there with its change, or gone with everything; never half of it."""
    for _ in range(5):
        await service.put()
        await service.require()
        changed, erased = await asyncio.gather(
            service.refusal_of(put_account({"role": "admin", "version": 1})),
            service.refusal_of(EraseAccount(version=1)),
        )
        assert erased is None
        assert changed in (None, RefusalCode.ACCOUNT_ERASED)
        assert await account(service) is None
        assert await service.pending() == []
        await service.admin.execute("DELETE FROM policy.erasures WHERE tenant_id = $1", service.tenant_id)


async def test_one_fact_told_late_is_told_by_its_own_version(service: Service) -> None:
    """Address and SSO have events of their own: the newest word on each stands, in whatever order they come."""
    await service.put(version=1)
    facts: list[dict[str, Any]] = [
        {"sso": True, "version": 4},
        {"email": contact("third"), "email_verified": True, "version": 3},
        {"sso": False, "version": 2},
        {"email": contact("b-mail"), "email_verified": True, "version": 2},
    ]
    for fact in facts + facts[::-1]:
        await told(service, put_account(fact).model_copy(update={"is_whole": False}))
    ann = await account(service)
    assert ann is not None
    assert (ann.sso, ann.email, ann.version) == (True, "t•••d", 4)


async def test_a_change_of_password_does_not_go_back(service: Service) -> None:
    """By its instant, and by its version where it has one."""
    await service.put(version=1)
    now = await service.now()
    for version, age in ((5, 60), (4, 30), (None, 90), (6, 120)):
        changed_at = now - dt.timedelta(seconds=age)
        await told(service, RecordPasswordChange(changed_at=changed_at, version=version))
    [only] = await service.said(events.AccountPasswordChanged)
    assert only.data.changed_at == now - dt.timedelta(seconds=60)
    ann = await account(service)
    assert ann is not None
    assert ann.version == 6


async def test_a_timer_that_has_fired_finds_nobody(service: Service) -> None:
    """Its command was on the way when the account left."""
    await service.require()
    ann = await service.put()
    assert ann.enforcement.deadline is not None
    await erase(service)
    await service.move(8 * DAY)
    await service.hear(LockOutAccount(deadline=ann.enforcement.deadline))
    assert await service.said(events.EnforcementLockedOut) == []
