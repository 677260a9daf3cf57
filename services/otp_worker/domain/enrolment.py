"""May a factor be added or changed, and on which proof.

The first factor of an account is bound on the strength of the first factor alone, except where a thief with the
password would gain by it: the account had a factor before, is locked out, or the tenant asks for more. Then a code to
the verified mailbox comes first. Every later change needs a fresh second factor.
"""

from collections.abc import Collection
from dataclasses import dataclass

from services.otp_worker.domain.account import Account, AccountState, login_facts
from services.otp_worker.domain.challenge import MAILBOX, Challenge
from services.otp_worker.domain.factor import STEP_UP_LIFETIME, Factor
from services.otp_worker.domain.login import enforcement_for, needs_mailbox
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState, Contact, EnforcementState, FactorType, Purpose

_PROVING = frozenset({Purpose.SIGN_IN, Purpose.STEP_UP, Purpose.ENROLMENT})


@dataclass(frozen=True, slots=True)
class MayEnrol:
    """Yes; `login_challenge_id` is the login that the confirmation will complete."""

    login_challenge_id: ChallengeId | None = None


@dataclass(frozen=True, slots=True)
class MayNotEnrol:
    """No, and why; `detail`: what helps, where that is not what the problem's own text says."""

    code: RefusalCode
    detail: str | None = None


_LOCKED_OUT = MayNotEnrol(
    RefusalCode.PROOF_REQUIRED, "The account is locked out, and may not enrol: an admin unlocks it first."
)
_MAILBOX_FIRST = MayNotEnrol(
    RefusalCode.PROOF_REQUIRED,
    "Give `proof`: the challenge that a login of this account answered with, of purpose `enrolment`, after a code was "
    "sent to the account's mailbox and verified there within ten minutes. Where a sign-in is let in without one, a "
    "login of purpose `step_up` answers with it.",
)


def is_fresh_proof(challenge: Challenge | None, account: Account, held: Collection[Factor]) -> bool:
    """Whether this challenge was passed within ten minutes by a factor, backup code, key or recovery code that is good
    still, or was replaced on the strength of this very challenge.

    A trusted device never verifies a challenge, so it cannot be here; a mailbox does, and is not enough.
    """
    return (
        challenge is not None
        and challenge.purpose in _PROVING
        and challenge.state in (ChallengeState.VERIFIED, ChallengeState.REDEEMED)
        and challenge.verified_by not in (None, MAILBOX)
        and challenge.verified_at is not None
        and account.now < challenge.verified_at + STEP_UP_LIFETIME
        and still_proves(challenge, account.state, held)
    )


def still_proves(challenge: Challenge, state: AccountState, held: Collection[Factor]) -> bool:
    """Whether what passed this challenge is the owner's still, however long ago that was.

    A stolen phone that was taken off the account must not go on changing it for the rest of ten minutes; nor somebody
    of whom the owner has said "this was not me" since.
    """
    if _is_disputed(challenge, state):
        return False
    if challenge.id == state.carried_proof_id:
        return True
    if challenge.verified_factor_id is not None:
        return any(factor.id == challenge.verified_factor_id for factor in held)
    return state.proofs_from is None or (
        challenge.verified_at is not None and state.proofs_from < challenge.verified_at
    )


def may_enrol(account: Account, *, held: Collection[Factor], proof: Challenge | None) -> MayEnrol | MayNotEnrol:
    """Whether a factor may be added now. ``proof`` is a challenge of this very account."""
    if held:
        return MayEnrol() if is_fresh_proof(proof, account, held) else MayNotEnrol(RefusalCode.PROOF_REQUIRED)
    state = enforcement_for(account.policy, login_facts(account, held_factors=0), account.now).state
    if state is EnforcementState.LOCKED_OUT and not account.policy.enrol_when_locked_out:
        return _LOCKED_OUT
    if needs_mailbox(account.policy, was_enrolled=account.state.first_enrolled_at is not None, state=state):
        return _with_mailbox(account, proof)
    if proof is not None and _is_of_login(proof, account):
        return MayEnrol(proof.id)
    return MayEnrol()


def may_use_address(account: Account, factor_type: FactorType, contact: Contact, *, is_named: bool = False) -> bool:
    """Whether an e-mail factor may use an address: the account's own, as the helpdesk has it, only once it is verified,
    by the helpdesk or by a code that came back. One that the person names is proved by the enrolment's own code; where
    it is the account's, that verifies it.
    """
    if is_named:
        return True
    own = account.email
    if factor_type is not FactorType.EMAIL or own is None or own.digest != contact.digest:
        return True
    return account.email_verified or account.email_proved_at is not None


def _with_mailbox(account: Account, proof: Challenge | None) -> MayEnrol | MayNotEnrol:
    if proof is None:
        return MayNotEnrol(RefusalCode.NO_MAILBOX) if account.mailbox is None else _MAILBOX_FIRST
    # whatever factor or code proved something before is gone: only the mailbox is left to prove anything
    is_proved = _is_proved_mailbox(proof, account)
    return MayEnrol(proof.id) if is_proved else _MAILBOX_FIRST


def _is_disputed(challenge: Challenge, state: AccountState) -> bool:
    if state.disputed_at is None or challenge.verified_at is None:
        return False
    return challenge.verified_at <= state.disputed_at


def _is_of_login(proof: Challenge, account: Account) -> bool:
    is_own = proof.purpose is Purpose.ENROLMENT and proof.factor_id is None
    return (is_own and proof.is_open(account.now)) or _is_proved_mailbox(proof, account)


def _is_proved_mailbox(proof: Challenge, account: Account) -> bool:
    return (
        proof.purpose is Purpose.ENROLMENT
        and proof.factor_id is None
        and proof.state is ChallengeState.VERIFIED
        and proof.verified_by == MAILBOX
        and proof.verified_at is not None
        and account.now < proof.verified_at + STEP_UP_LIFETIME
        and not _is_disputed(proof, account.state)
    )
