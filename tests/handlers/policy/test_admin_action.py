"""Who may act on an account: facts from three schemas, one rule. The rule's branches are in tests/unit/rules."""

from typing import Any

import pytest

from shared.contracts import commands, events
from shared.contracts.envelope import Event
from shared.contracts.replies import AccountView, RecoveryView, RefusalCode
from shared.contracts.types import Acting, ChallengeId, EnforcementState, FactorId, FactorType, RecoveryState
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, Service
from tests.support import admin_proofs
from tests.support.tenants import new_tenant

WEEK = 7 * 24 * 3600
BOB = "bob"


async def ask_for_proofs(service: Service) -> None:
    """The tenant wants to see every admin's second factor."""
    await admin_proofs.ask_for_proofs(service.admin, service.tenant_id)


async def step_up(service: Service, account_id: str = BOB, **more: Any) -> ChallengeId:
    """A challenge that was verified a minute ago, unless said otherwise."""
    return await admin_proofs.step_up(service.admin, service.tenant_id, account_id, **more)


@pytest.fixture
async def locked(service: Service) -> Service:
    """Ann did not enrol in time; bob is an admin."""
    await service.put()
    await service.put(BOB, role="admin")
    await service.require()
    await service.move(WEEK + 60)
    return service


async def unlocked_by(service: Service, acting: Acting | None, account_id: str = ANN) -> RefusalCode | None:
    """Why it was refused; None: it was done."""
    unlock = commands.Unlock(hours=24, reason="identity checked by telephone", acting=acting)
    return await service.refusal_of(unlock, account_id)


async def test_an_admin_unlocks_and_others_do_not(locked: Service) -> None:
    """Whose name stands in the audit log could have done it."""
    assert await unlocked_by(locked, Acting(actor="nobody")) is RefusalCode.ACTOR_NOT_AN_ADMIN
    assert await unlocked_by(locked, Acting(actor=ANN)) is RefusalCode.NOT_ON_ONESELF
    assert await locked.said(events.EnforcementUnlocked) == []
    assert await unlocked_by(locked, Acting(actor=BOB)) is None
    assert len(await locked.said(events.EnforcementUnlocked)) == 1


async def test_an_account_that_is_inactive_or_has_another_role_acts_for_nobody(locked: Service) -> None:
    """Who has left the helpdesk has left its admin calls, too."""
    await locked.change(BOB, active=False)
    assert await unlocked_by(locked, Acting(actor=BOB)) is RefusalCode.ACTOR_NOT_AN_ADMIN
    await locked.change(BOB, active=True, role="agent")
    assert await unlocked_by(locked, Acting(actor=BOB)) is RefusalCode.ACTOR_NOT_AN_ADMIN


async def test_where_a_proof_is_asked_for_only_the_actors_own_fresh_one_is_good(locked: Service) -> None:
    """A backend whose key was stolen cannot act in an admin's name without that admin's second factor."""
    await ask_for_proofs(locked)
    await locked.put("carol", role="admin")
    bad = [
        None,
        ChallengeId(new_id()),
        await step_up(locked, "carol"),
        await step_up(locked, age=600),
        await step_up(locked, by="mailbox"),
        await step_up(locked, by="recovery_code"),
        await step_up(locked, purpose="sign_in"),
        await step_up(locked, epoch=7),
    ]
    for proof in bad:
        assert await unlocked_by(locked, Acting(actor=BOB, proof=proof)) is RefusalCode.ACTOR_PROOF_REQUIRED
    assert await unlocked_by(locked, None) is RefusalCode.ACTOR_PROOF_REQUIRED
    assert await locked.said(events.EnforcementUnlocked) == []
    assert await unlocked_by(locked, Acting(actor=BOB, proof=await step_up(locked))) is None


async def test_a_proof_of_another_tenant_proves_nothing(locked: Service, dsn: str) -> None:
    """Ids of challenges travel: one that was seen elsewhere must be nobody's here."""
    await ask_for_proofs(locked)
    proof = await step_up(locked)
    await locked.admin.execute(
        "UPDATE otp.challenges SET tenant_id = $2 WHERE challenge_id = $1", proof, await new_tenant(dsn)
    )
    assert await unlocked_by(locked, Acting(actor=BOB, proof=proof)) is RefusalCode.ACTOR_PROOF_REQUIRED


async def test_who_was_reset_must_enrol_whatever_was_granted_before(service: Service) -> None:
    """An unlock of last week would give the thief of the mailbox a week without a second factor."""
    await service.put()
    await service.require()
    await service.move(WEEK + 60)
    await service.ask(commands.Unlock(hours=24 * 30, reason="on the phone"))
    await service.enrol()
    await service.drop_factors()
    await service.hear(events.AccountReset(reason="lost phone", revoked_factors=1))
    view = AccountView.model_validate(await service.ask(commands.ReadAccount()))
    assert view.enforcement.state is EnforcementState.MUST_ENROL
    assert await service.pending() == []


async def test_a_reset_that_took_nothing_takes_no_grace(service: Service) -> None:
    """Who never enrolled loses no day of the time in which to."""
    await service.put()
    await service.require()
    before = await service.pending()
    await service.hear(events.AccountReset(reason="lost phone", revoked_factors=0))
    view = AccountView.model_validate(await service.ask(commands.ReadAccount()))
    assert view.enforcement.state is EnforcementState.GRACE
    assert await service.pending() == before


@pytest.mark.parametrize("is_reset_first", [True, False])
async def test_a_reset_stops_an_open_recovery_and_says_so(service: Service, is_reset_first: bool) -> None:  # noqa: FBT001
    """The news of the reset and of the last factor come in any order; the request has one end."""
    await service.put()
    await service.enrol()
    await service.move(8 * 24 * 3600)  # the address has settled
    draft = RecoveryView.model_validate(await service.ask(commands.StartRecovery()))
    await service.drop_factors()
    news: list[Event] = [
        events.AccountReset(reason="lost phone", revoked_factors=1),
        events.FactorRevoked(factor_id=FactorId(new_id()), factor_type=FactorType.TOTP, reason="reset", is_last=True),
    ]
    for each in news if is_reset_first else news[::-1]:
        await service.hear(each)
    view = await service.recovery()
    assert (view.id, view.state, view.end_reason) == (draft.id, RecoveryState.CANCELLED, "admin_reset")
    assert len(await service.said(events.RecoveryCancelled)) == 1
    assert await service.said(events.RecoverySuperseded) == []
    assert await service.pending() == []


async def test_a_recovery_is_denied_and_stopped_in_an_admins_name_by_an_admin_only(service: Service) -> None:
    """Under another's name a thief would keep the owner out; the person's own cancelling names nobody."""
    await service.put()
    await service.put(BOB, role="admin")
    await service.enrol()
    await service.move(8 * 24 * 3600)  # the address has settled
    draft = RecoveryView.model_validate(await service.ask(commands.StartRecovery()))
    for actor, code in (("nobody", RefusalCode.ACTOR_NOT_AN_ADMIN), (ANN, RefusalCode.NOT_ON_ONESELF)):
        acting = Acting(actor=actor)
        deny = commands.DenyRecovery(recovery_id=draft.id, reason="unknown caller", acting=acting)
        assert await service.refused(deny) is code
        assert await service.refused(commands.CancelRecovery(recovery_id=draft.id, acting=acting)) is code
    await ask_for_proofs(service)
    unproved = commands.DenyRecovery(recovery_id=draft.id, reason="unknown caller")
    assert await service.refused(unproved) is RefusalCode.ACTOR_PROOF_REQUIRED
    assert (await service.recovery()).state is RecoveryState.DRAFT
    stopped = RecoveryView.model_validate(await service.ask(commands.CancelRecovery(recovery_id=draft.id)))
    assert stopped.state is RecoveryState.CANCELLED


async def test_a_list_of_accounts_is_asked_for_in_the_name_of_an_admin_only(service: Service) -> None:
    """Whom the audit log names for the list of who is easy to break into, that one could have asked for it."""
    await service.put()
    await service.put(BOB, role="admin")
    asked = commands.StartReport(acting=Acting(actor=ANN))
    assert await service.refused(asked, None) is RefusalCode.ACTOR_NOT_AN_ADMIN
    assert await service.said(events.ReportRequested) == []
    assert await service.refusal_of(commands.StartReport(acting=Acting(actor=BOB)), None) is None
    assert await service.refusal_of(commands.StartReport(), None) is None
