"""May an admin do this to an account? Asked by every service that does what an admin says, answered by one rule.

An admin's call is as strong as the key of the helpdesk's backend that sends it, unless the tenant asks for more: with
`admin_proof: required` each call carries the admin's own fresh step-up, and an admin's account is opened only with the
word of a second admin. NIST SP 800-63B-4, 4.2.2: whoever can help somebody back in can let somebody in.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from shared.contracts.replies import RefusalCode
from shared.contracts.tenant import AdminProof
from shared.contracts.types import Acting, Method, Purpose, Role

STEP_UP_LIFETIME = dt.timedelta(minutes=10)
"""So long a verified challenge serves, for as many calls as are made in it."""

LOOKS = frozenset({"name", "logo_url", "colour", "languages"})
"""What a tenant may change about itself without an admin's proof. Whatever is not named here takes one: it says who is
believed, where people are sent, what reaches them.
"""

_PROVING = frozenset({Method.TOTP, Method.SMS, Method.EMAIL, Method.WEBAUTHN, Method.BACKUP_CODE, Method.RECOVERY_KEY})
"""What is the admin's own. A recovery code is not: another admin made it, and would act in two names with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """A challenge that was verified. `verified_at` is tenant time."""

    purpose: Purpose
    verified_by: str  # a `Method`, or ``mailbox``
    verified_at: dt.datetime
    is_of_this_epoch: bool  # no factor came or went since, and the code that passed it is not void


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminFacts:
    """Somebody who is named as an admin; `role` None: there is no such account."""

    account_id: str
    role: Role | None = None
    is_active: bool = False
    step_up: StepUp | None = None  # the challenge offered, if it is one of this account's and verified


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFacts:
    """An action, and everybody who has to do with it."""

    admin_proof: AdminProof
    target_id: str
    target_role: Role | None
    actor: AdminFacts | None
    approver: AdminFacts | None


@dataclass(frozen=True, slots=True)
class MayNotAct:
    """No, and why."""

    code: RefusalCode
    detail: str | None = None


def may_act(acting: Acting | None, facts: ActionFacts, now: dt.datetime, *, opens_account: bool) -> MayNotAct | None:
    """Why it may not be done at ``now`` (tenant time); None: it may.

    ``opens_account``: afterwards somebody may get in without the factors that the account has now. What is offered is
    judged whether it is asked for or not: a proof that proves nothing is a mistake, or worse.
    """
    is_required = facts.admin_proof is AdminProof.REQUIRED
    if acting is None or facts.actor is None:
        return MayNotAct(RefusalCode.ACTOR_PROOF_REQUIRED) if is_required else None
    if acting.actor == facts.target_id:
        return MayNotAct(RefusalCode.NOT_ON_ONESELF)
    if (reason := _no_admin(facts.actor)) is not None:
        return MayNotAct(RefusalCode.ACTOR_NOT_AN_ADMIN, reason)
    if (is_required or acting.proof is not None) and not is_fresh_step_up(facts.actor.step_up, now):
        return MayNotAct(RefusalCode.ACTOR_PROOF_REQUIRED)
    needs_second = is_required and opens_account and facts.target_role is Role.ADMIN
    if not needs_second and acting.approver is None:
        return None
    reason = _no_approver(acting, facts, now, is_required=is_required)
    return MayNotAct(RefusalCode.APPROVER_REQUIRED, reason) if reason is not None else None


def is_trust_changed(changed: Iterable[str]) -> bool:
    """Whether more than its looks changes, where fields of a tenant's settings change."""
    return not LOOKS.issuperset(changed)


def is_fresh_step_up(step_up: StepUp | None, now: dt.datetime) -> bool:
    """Whether an admin showed a second factor for this purpose a moment ago, and it is theirs still.

    A trusted device verifies no challenge, so it cannot be here; a mailbox does, and is not enough.
    """
    return (
        step_up is not None
        and step_up.purpose is Purpose.STEP_UP
        and step_up.verified_by in _PROVING
        and step_up.is_of_this_epoch
        and now < step_up.verified_at + STEP_UP_LIFETIME
    )


def _no_admin(named: AdminFacts) -> str | None:
    if named.role is None:
        return "There is no such account."
    if not named.is_active:
        return "The account is inactive."
    return None if named.role is Role.ADMIN else "The account has another role."


def _no_approver(acting: Acting, facts: ActionFacts, now: dt.datetime, *, is_required: bool) -> str | None:
    approver = facts.approver
    if approver is None:
        return "Nobody is named."
    if approver.account_id in (acting.actor, facts.target_id):
        return "It has to be somebody else than the actor and the account itself."
    if (reason := _no_admin(approver)) is not None:
        return reason
    if (is_required or acting.approver_proof is not None) and not is_fresh_step_up(approver.step_up, now):
        return "There is no fresh proof of the approver."
    return None
