"""May an admin do this to an account."""

import datetime as dt
from dataclasses import replace

import pytest

from shared.contracts.replies import RefusalCode
from shared.contracts.tenant import AdminProof, TenantSettings
from shared.contracts.types import Acting, ChallengeId, Purpose, Role
from shared.ids import new_id
from shared.rules.admin_action import (
    LOOKS,
    ActionFacts,
    AdminFacts,
    MayNotAct,
    StepUp,
    is_fresh_step_up,
    is_trust_changed,
    may_act,
)

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
PROOF = ChallengeId(new_id())
STEP_UP = StepUp(
    purpose=Purpose.STEP_UP, verified_by="totp", verified_at=NOW - dt.timedelta(minutes=1), is_of_this_epoch=True
)
BOB = AdminFacts(account_id="bob", role=Role.ADMIN, is_active=True, step_up=STEP_UP)
CAROL = replace(BOB, account_id="carol")
ACTING = Acting(actor="bob", proof=PROOF)
BOTH = Acting(actor="bob", proof=PROOF, approver="carol", approver_proof=PROOF)


def facts(
    actor: AdminFacts | None = BOB,
    approver: AdminFacts | None = None,
    *,
    target: Role = Role.AGENT,
    admin_proof: AdminProof = AdminProof.REQUIRED,
) -> ActionFacts:
    """Somebody does something to ann."""
    return ActionFacts(admin_proof=admin_proof, target_id="ann", target_role=target, actor=actor, approver=approver)


def code_of(found: MayNotAct | None) -> RefusalCode | None:
    """The refusal's."""
    return found.code if found is not None else None


def test_an_admin_with_a_fresh_step_up_may() -> None:
    """What the tenant asks for is enough."""
    assert may_act(ACTING, facts(), NOW, opens_account=True) is None


@pytest.mark.parametrize(
    "actor",
    [
        AdminFacts(account_id="bob"),
        replace(BOB, is_active=False),
        replace(BOB, role=Role.AGENT),
        replace(BOB, role=Role.CUSTOMER),
    ],
)
@pytest.mark.parametrize("admin_proof", list(AdminProof))
def test_whoever_is_no_active_admin_may_not(actor: AdminFacts, admin_proof: AdminProof) -> None:
    """The audit log would name somebody who never could have done it."""
    asked = facts(actor, admin_proof=admin_proof)
    assert code_of(may_act(ACTING, asked, NOW, opens_account=False)) is RefusalCode.ACTOR_NOT_AN_ADMIN


@pytest.mark.parametrize("admin_proof", list(AdminProof))
def test_nobody_acts_on_themselves(admin_proof: AdminProof) -> None:
    """A stolen session of an admin must not be able to take that admin's second factor off."""
    asked = replace(facts(replace(BOB, account_id="ann"), admin_proof=admin_proof), target_role=Role.ADMIN)
    found = may_act(Acting(actor="ann", proof=PROOF), asked, NOW, opens_account=True)
    assert code_of(found) is RefusalCode.NOT_ON_ONESELF


@pytest.mark.parametrize(
    ("step_up", "is_good"),
    [
        (None, False),
        (replace(STEP_UP, verified_by="mailbox"), False),
        (replace(STEP_UP, verified_by="recovery_code"), False),
        (replace(STEP_UP, verified_by="trusted_device"), False),
        (replace(STEP_UP, purpose=Purpose.SIGN_IN), False),
        (replace(STEP_UP, is_of_this_epoch=False), False),
        (replace(STEP_UP, verified_at=NOW - dt.timedelta(minutes=10)), False),
        (replace(STEP_UP, verified_at=NOW - dt.timedelta(minutes=10) + dt.timedelta(microseconds=1)), True),
        (replace(STEP_UP, verified_by="backup_code"), True),
        (replace(STEP_UP, verified_by="recovery_key"), True),
        (replace(STEP_UP, verified_by="email"), True),
    ],
)
def test_a_proof_is_a_step_up_of_ten_minutes_by_what_is_the_admins_own(step_up: StepUp | None, is_good: bool) -> None:  # noqa: FBT001
    """A recovery code was made by another admin, who would act in two names with it; a mailbox is no second factor."""
    assert is_fresh_step_up(step_up, NOW) is is_good
    found = may_act(ACTING, facts(replace(BOB, step_up=step_up)), NOW, opens_account=False)
    assert code_of(found) is (None if is_good else RefusalCode.ACTOR_PROOF_REQUIRED)


def test_where_no_proof_is_asked_for_a_bad_one_is_refused_all_the_same() -> None:
    """Who sends a proof means it to count: one that proves nothing must not look as if it had."""
    without = facts(replace(BOB, step_up=None), admin_proof=AdminProof.OPTIONAL)
    assert may_act(Acting(actor="bob"), without, NOW, opens_account=True) is None
    assert code_of(may_act(ACTING, without, NOW, opens_account=True)) is RefusalCode.ACTOR_PROOF_REQUIRED


def test_nobody_need_be_named_unless_a_proof_is_asked_for() -> None:
    """A backend that acts by itself has no admin; where the tenant asks for one, it must not get by without."""
    assert may_act(None, facts(None, admin_proof=AdminProof.OPTIONAL), NOW, opens_account=False) is None
    assert code_of(may_act(None, facts(None), NOW, opens_account=False)) is RefusalCode.ACTOR_PROOF_REQUIRED


def test_an_admins_account_is_opened_by_two() -> None:
    """One admin whose session was stolen would be all of them."""
    asked = facts(target=Role.ADMIN)
    assert code_of(may_act(ACTING, asked, NOW, opens_account=True)) is RefusalCode.APPROVER_REQUIRED
    assert may_act(ACTING, asked, NOW, opens_account=False) is None
    assert may_act(BOTH, facts(BOB, CAROL, target=Role.ADMIN), NOW, opens_account=True) is None
    assert may_act(ACTING, facts(target=Role.ADMIN, admin_proof=AdminProof.OPTIONAL), NOW, opens_account=True) is None


@pytest.mark.parametrize(
    "approver",
    [
        replace(CAROL, step_up=None),
        replace(CAROL, role=Role.AGENT),
        replace(CAROL, is_active=False),
        AdminFacts(account_id="carol"),
        BOB,
        replace(CAROL, account_id="ann"),
    ],
)
def test_the_second_is_another_admin_with_a_proof_of_their_own(approver: AdminFacts) -> None:
    """Two names of one person, or the word of the one it is done to, are no second opinion."""
    acting = BOTH.model_copy(update={"approver": approver.account_id})
    found = may_act(acting, facts(BOB, approver, target=Role.ADMIN), NOW, opens_account=True)
    assert code_of(found) is RefusalCode.APPROVER_REQUIRED


def test_an_approver_who_is_named_without_need_is_judged_too() -> None:
    """The audit log shall name no second admin who did not say so."""
    acting = Acting(actor="bob", approver="carol")
    asked = facts(BOB, replace(CAROL, role=Role.AGENT), admin_proof=AdminProof.OPTIONAL)
    assert code_of(may_act(acting, asked, NOW, opens_account=True)) is RefusalCode.APPROVER_REQUIRED


def test_only_its_looks_are_changed_without_a_proof() -> None:
    """A setting that comes later is guarded until somebody says that it need not be."""
    assert not is_trust_changed([])
    assert not is_trust_changed(["name", "logo_url", "colour", "languages"])
    for name in (*(TenantSettings.model_fields.keys() - LOOKS), "something_new"):
        assert is_trust_changed(["colour", name])
    assert {
        "return_urls",
        "identity_providers",
        "admin_proof",
        "countries",
    } <= TenantSettings.model_fields.keys() - LOOKS
