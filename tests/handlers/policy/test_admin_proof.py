"""Where the tenant asks admins for a proof: what policy does only on one, and what takes a second admin's."""

import datetime as dt

import pytest

from shared.contracts import commands, events
from shared.contracts.commands import ChangeEnforcement, ClearEnforcement, PreviewPolicy, PutPolicy, Request, Unlock
from shared.contracts.policy import Policy
from shared.contracts.replies import AccountView, RefusalCode
from shared.contracts.tenant import AdminProof
from shared.contracts.types import Acting
from shared.messaging.answering import open_answer
from shared.messaging.bus import Ack, Reply
from shared.messaging.topology import POLICY_COMMANDS, POLICY_PREVIEWS
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service
from tests.support.admin_proofs import ask_for_proofs, step_up

BOB, CAROL = "bob", "carol"
WHY = "identity checked by telephone"
_PROOF_FIRST = RefusalCode.ACTOR_PROOF_REQUIRED


@pytest.fixture
async def strict(service: Service) -> Service:
    """Ann, bob and carol are admins, dan is an agent; nobody enrolled in time, and the tenant asks for proofs."""
    for admin in (ANN, BOB, CAROL):
        await service.put(admin, role="admin")
    await service.put("dan")
    await service.require()
    await service.move(7 * DAY + 60)
    await ask_for_proofs(service.admin, service.tenant_id)
    return service


async def proved(service: Service, actor: str = BOB, approver: str | None = None) -> Acting:
    """Who acts, and who agrees, each with a step-up of their own."""
    proof = await step_up(service.admin, service.tenant_id, actor)
    if approver is None:
        return Acting(actor=actor, proof=proof)
    second = await step_up(service.admin, service.tenant_id, approver)
    return Acting(actor=actor, proof=proof, approver=approver, approver_proof=second)


@pytest.mark.parametrize("policy", [Policy(), EVERYBODY], ids=["loosened", "tightened"])
async def test_a_policy_is_saved_on_an_admins_proof_only(strict: Service, policy: Policy) -> None:
    """A stolen key with `policy:write` would switch the requirement off, or lock everybody out."""
    saved = len(await strict.said(events.PolicyChanged))
    for acting in (None, Acting(actor=BOB)):
        put = PutPolicy(policy=policy, is_forced=True, acting=acting)
        assert await strict.refused(put, None) is _PROOF_FIRST
    assert len(await strict.said(events.PolicyChanged)) == saved
    put = PutPolicy(policy=policy, is_forced=True, acting=await proved(strict))
    assert await strict.refusal_of(put, None) is None


async def test_a_report_is_written_on_an_admins_proof_only(strict: Service) -> None:
    """The list of who is easy to break into is worth a key to whoever steals one."""
    for acting in (None, Acting(actor=BOB)):
        assert await strict.refused(commands.StartReport(acting=acting), None) is _PROOF_FIRST
    assert await strict.said(events.ReportRequested) == []
    assert await strict.refusal_of(commands.StartReport(acting=await proved(strict)), None) is None


async def test_a_policy_is_tried_out_on_an_admins_proof_only(strict: Service) -> None:
    """It names everybody who has no factor yet, as a report does."""

    async def refusal(acting: Acting | None) -> RefusalCode | None:
        envelope = strict.envelope(PreviewPolicy(policy=EVERYBODY, acting=acting), None)
        reply = await strict.hand(POLICY_PREVIEWS, envelope)
        assert isinstance(reply, Reply)
        found = open_answer(strict.answers, envelope, reply.body).refusal
        return found.code if found is not None else None

    assert await refusal(None) is _PROOF_FIRST
    assert await refusal(Acting(actor=BOB)) is _PROOF_FIRST
    assert await refusal(await proved(strict)) is None


async def opening(service: Service, acting: Acting | None) -> list[Request]:
    """All by which policy lets an account in that would else stay out."""
    later = await service.now() + dt.timedelta(days=20)
    return [
        Unlock(hours=24, reason=WHY, acting=acting),
        ChangeEnforcement(given=("extended_until",), extended_until=later, reason=WHY, acting=acting),
        ChangeEnforcement(given=("exempt_until",), exempt_until=later, reason=WHY, acting=acting),
    ]


async def test_an_admins_account_is_opened_with_a_second_admins_proof(strict: Service) -> None:
    """One admin whose session was stolen would unlock another's account, and enrol there in their name."""
    alone, both = await proved(strict), await proved(strict, BOB, CAROL)
    unproved = both.model_copy(update={"approver_proof": None})
    own = both.model_copy(update={"approver_proof": both.proof})
    for acting in (alone, unproved, own):
        for request in await opening(strict, acting):
            assert await strict.refused(request) is RefusalCode.APPROVER_REQUIRED
    assert await strict.said(events.EnforcementUnlocked) == []
    for request in await opening(strict, both):
        assert await strict.refusal_of(request) is None
    assert (await strict.said(events.EnforcementUnlocked))[0].data.approver == CAROL
    assert {each.data.approver for each in await strict.said(events.EnforcementChanged)} == {CAROL}


async def test_anybody_elses_account_is_opened_by_one(strict: Service) -> None:
    """The helpdesk of a thousand agents has admins to do that, and not two for each telephone call."""
    for request in await opening(strict, await proved(strict)):
        assert await strict.refusal_of(request, "dan") is None


async def test_what_closes_an_admins_account_takes_one_proof(strict: Service) -> None:
    """To shut somebody out in a hurry nobody has to be woken."""
    both = await proved(strict, BOB, CAROL)
    for request in await opening(strict, both):
        await strict.ask(request)
    assert await strict.refused(ClearEnforcement(reason=WHY)) is _PROOF_FIRST
    alone = both.model_copy(update={"approver": None, "approver_proof": None})
    assert await strict.refusal_of(ClearEnforcement(reason=WHY, acting=alone)) is None
    required = ChangeEnforcement(given=("required",), required=True, reason=WHY, acting=alone)
    assert await strict.refusal_of(required) is None


async def test_to_take_a_requirement_off_an_admin_takes_two(strict: Service) -> None:
    """Where the policy asks nothing of anybody, the word about one account is all that guards it."""
    both = await proved(strict, BOB, CAROL)
    alone = both.model_copy(update={"approver": None, "approver_proof": None})
    required = ChangeEnforcement(given=("required",), required=True, reason=WHY, acting=alone)
    assert AccountView.model_validate(await strict.ask(required)).account_id == ANN
    off = ChangeEnforcement(given=("required",), required=False, reason=WHY, acting=alone)
    for request in (off, ClearEnforcement(reason=WHY, acting=alone)):
        assert await strict.refused(request) is RefusalCode.APPROVER_REQUIRED
    assert await strict.refusal_of(ClearEnforcement(reason=WHY, acting=both)) is None


@pytest.mark.parametrize(("actor", "named"), [("admin:bob", "bob"), ("operator:kim", None)])
async def test_every_admin_hears_that_no_proof_is_asked_for_any_more(
    strict: Service, actor: str, named: str | None
) -> None:
    """Whoever switched it off: from then on a key is enough to act in any admin's name."""
    off = events.TenantChanged(changed=("admin_proof",), admin_proof=AdminProof.OPTIONAL, reason=WHY)
    news = strict.envelope(off, None, await strict.now(), actor)
    assert await strict.hand(POLICY_COMMANDS, news) == Ack()
    assert await strict.hand(POLICY_COMMANDS, news) == Ack()
    told = [each for each in await strict.said(commands.SendEmail) if each.data.notification == "admin_proof_off"]
    assert sorted(str(each.account_id) for each in told) == [ANN, BOB, CAROL]
    assert {each.data.params.get("admin") for each in told} == {named}


@pytest.mark.parametrize("admin_proof", [AdminProof.REQUIRED, None])
async def test_other_settings_frighten_nobody(strict: Service, admin_proof: AdminProof | None) -> None:
    """A notice at each new colour is one that nobody reads."""
    await strict.hear(events.TenantChanged(changed=("colour",), admin_proof=admin_proof), None)
    assert "admin_proof_off" not in {name for name, _ in await strict.notices()}
