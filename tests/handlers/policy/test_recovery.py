"""The lost device: who may ask for a recovery, and how the mailbox is proved."""

from shared.contracts import events
from shared.contracts.commands import CancelRecovery, OpenRecoveryChallenge, ProveMailbox, ReadRecovery, StartRecovery
from shared.contracts.policy import Policy, RecoverySettings
from shared.contracts.replies import RefusalCode
from shared.contracts.types import FactorType, RecoveryState
from tests.handlers.policy.conftest import DAY, HOUR, Service, contact
from tests.support.recoveries import prove, start


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


async def test_no_token_leaves_in_clear(ann: Service) -> None:
    """Queues and dead letters are read by people; the link is for its owner only."""
    await prove(ann)
    rows = await ann.admin.fetch("SELECT body FROM bus.outbox WHERE tenant_id = $1", ann.tenant_id)
    assert rows
    assert not any(b"token=" in row["body"] for row in rows)
