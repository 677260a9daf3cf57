"""May this login pass: the decision from enforcement, factors, trust and what the login is for.

SSO exempts a login, not an account, and only through a provider that the tenant names, where it names any. What such a
provider has seen counts as a second factor where the policy trusts it, and that matters where SSO alone is not enough:
at a step-up, which asks for a fresh second factor whoever vouched for the sign-in.

The table is in ``architecture.md`` ("Enforcement"). Where a factor is held the answer is a challenge, whatever the
policy says; where none is held the enforcement decides.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.otp_worker.domain.factor import STEP_UP_LIFETIME
from shared.contracts.policy import ApiPassword, Policy
from shared.contracts.requirement import EarlierPolicy
from shared.contracts.types import Decision, EnforcementState, FirstFactor, FirstFactorMethod, Purpose, Role
from shared.rules.enforcement import Enforcement, EnforcementFacts, enforcement_of

_LOGIN_PURPOSES = frozenset({Purpose.SIGN_IN, Purpose.STEP_UP, Purpose.API_PASSWORD})
_SECOND_FACTORS = frozenset({"mfa", "otp", "hwk", "swk", "sms", "fpt", "face", "iris", "vbm", "mca"})  # RFC 8176, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """What policy knows of the account, and what we hold for it, read under the account's lock."""

    role: Role
    is_active: bool
    subject_since: dt.datetime
    required_since: dt.datetime | None
    is_individually_required: bool
    exempt_until: dt.datetime | None
    extended_until: dt.datetime | None
    must_enrol_since: dt.datetime | None
    held_factors: int  # active or suspended
    was_enrolled: bool  # had a factor once
    is_device_trusted: bool  # it brought a token that holds
    resumed_at: dt.datetime | None = None
    paused: EarlierPolicy | None = None
    earlier: Sequence[EarlierPolicy] = ()
    individually_required_since: dt.datetime | None = None
    notice_from: dt.datetime | None = None
    identity_providers: Collection[str] = ()  # the tenant's; empty: whichever the helpdesk works with


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginVerdict:
    """The decision, and why in one machine word."""

    decision: Decision
    reason: str
    deadline: dt.datetime | None = None
    may_enrol: bool = False  # a challenge of purpose `enrolment` comes with it
    enrolment_needs_mailbox: bool = False  # and must be verified by a code to the account's mailbox first


def is_login(purpose: Purpose) -> bool:
    """Whether a login may be for this; enrolments and recoveries open challenges of their own."""
    return purpose in _LOGIN_PURPOSES


def decide_login(
    policy: Policy, facts: LoginFacts, *, purpose: Purpose, first_factor: FirstFactor, now: dt.datetime
) -> LoginVerdict:
    """Whether the account goes in, is challenged, must enrol, or stays out."""
    if not facts.is_active:
        return LoginVerdict(decision=Decision.DENY, reason="account_inactive")
    enforcement = enforcement_for(policy, facts, now)
    match purpose:
        case Purpose.API_PASSWORD:
            return _api_password(policy, facts, enforcement)
        case Purpose.STEP_UP:
            if _is_fresh_second_factor(policy, facts, first_factor, now):
                return LoginVerdict(decision=Decision.ALLOW, reason="idp_second_factor")
            if facts.held_factors:
                return LoginVerdict(decision=Decision.CHALLENGE, reason="step_up")
            return _no_step_up(policy, facts, enforcement)
        case Purpose.SIGN_IN | Purpose.ENROLMENT | Purpose.RECOVERY:
            return _sign_in(policy, facts, enforcement, first_factor)


def enforcement_for(policy: Policy, facts: LoginFacts, now: dt.datetime) -> Enforcement:
    """Where the account stands. `is_sso` is False: a password login of an SSO account is judged like any other."""
    return enforcement_of(
        policy,
        EnforcementFacts(
            role=facts.role,
            is_active=facts.is_active,
            is_sso=False,
            held_factors=facts.held_factors,
            was_satisfied=facts.was_enrolled,
            subject_since=facts.subject_since,
            required_since=facts.required_since,
            resumed_at=facts.resumed_at,
            paused=facts.paused,
            earlier=facts.earlier,
            is_individually_required=facts.is_individually_required,
            individually_required_since=facts.individually_required_since,
            exempt_until=facts.exempt_until,
            extended_until=facts.extended_until,
            must_enrol_since=facts.must_enrol_since,
            notice_from=facts.notice_from,
        ),
        now,
    )


def needs_mailbox(policy: Policy, *, was_enrolled: bool, state: EnforcementState) -> bool:
    """Whether a first factor needs a code to the verified mailbox: a stolen password alone shall not bind the thief's
    phone where a factor was before, or where the account is locked out.
    """
    return was_enrolled or state is EnforcementState.LOCKED_OUT or policy.enrolment_proof


def counts_as_second_factor(policy: Policy, first_factor: FirstFactor) -> bool:
    """Whether an identity provider has seen a second factor, and the tenant believes that provider."""
    return (
        first_factor.method is FirstFactorMethod.SSO
        and first_factor.idp in policy.trusted_idps
        and any(amr in _SECOND_FACTORS for amr in first_factor.amr)
    )


def is_by_sso(first_factor: FirstFactor, identity_providers: Collection[str]) -> bool:
    """Whether an identity provider vouches for the login: one of the tenant's, where it names them. Else a login that
    claims to be SSO is worth no more than a password.
    """
    is_known = not identity_providers or first_factor.idp in identity_providers
    return first_factor.method is FirstFactorMethod.SSO and is_known


def _is_fresh_second_factor(policy: Policy, facts: LoginFacts, first_factor: FirstFactor, now: dt.datetime) -> bool:
    """Whether a provider that the policy trusts asked for a second factor a moment ago. Who does not say when, says
    nothing of now; an instant ahead is a helpdesk's clock that is, within bounds.
    """
    at = first_factor.at
    if at is None or not is_by_sso(first_factor, facts.identity_providers):
        return False
    at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at
    return abs(now - at) < STEP_UP_LIFETIME and counts_as_second_factor(policy, first_factor)


def _sign_in(policy: Policy, facts: LoginFacts, enforcement: Enforcement, first_factor: FirstFactor) -> LoginVerdict:
    if is_by_sso(first_factor, facts.identity_providers):
        reason = "idp_second_factor" if counts_as_second_factor(policy, first_factor) else "sso"
        return LoginVerdict(decision=Decision.ALLOW, reason=reason)
    if facts.held_factors:
        if facts.is_device_trusted:
            return LoginVerdict(decision=Decision.ALLOW, reason="trusted_device")
        return LoginVerdict(decision=Decision.CHALLENGE, reason="factor_enrolled")
    return _without_factor(policy, facts, enforcement)


def _no_step_up(policy: Policy, facts: LoginFacts, enforcement: Enforcement) -> LoginVerdict:
    """There is nothing to step up with. Where a first factor needs the mailbox, the challenge for that comes here: who
    is let in without a factor is given none at the sign-in, and would never get to enrol one again.
    """
    state = enforcement.state
    needs = needs_mailbox(policy, was_enrolled=facts.was_enrolled, state=state)
    is_shut = state is EnforcementState.LOCKED_OUT and not policy.enrol_when_locked_out
    return LoginVerdict(
        decision=Decision.DENY,
        reason="no_factor",
        may_enrol=needs and not is_shut,
        enrolment_needs_mailbox=needs and not is_shut,
    )


def _without_factor(policy: Policy, facts: LoginFacts, enforcement: Enforcement) -> LoginVerdict:
    state = enforcement.state
    needs = needs_mailbox(policy, was_enrolled=facts.was_enrolled, state=state)
    match state:
        case EnforcementState.NOT_REQUIRED | EnforcementState.EXEMPT | EnforcementState.SATISFIED:
            return LoginVerdict(decision=Decision.ALLOW, reason=state.value)
        case EnforcementState.GRACE:
            return LoginVerdict(
                decision=Decision.ENROL_OPTIONAL,
                reason=state.value,
                deadline=enforcement.deadline,
                may_enrol=True,
                enrolment_needs_mailbox=needs,
            )
        case EnforcementState.MUST_ENROL:
            return LoginVerdict(
                decision=Decision.ENROL,
                reason=state.value,
                deadline=enforcement.deadline,
                may_enrol=True,
                enrolment_needs_mailbox=needs,
            )
        case EnforcementState.LOCKED_OUT:
            return LoginVerdict(
                decision=Decision.LOCKED_OUT,
                reason="deadline_passed",
                deadline=enforcement.deadline,
                may_enrol=policy.enrol_when_locked_out,
                enrolment_needs_mailbox=True,
            )


def _api_password(policy: Policy, facts: LoginFacts, enforcement: Enforcement) -> LoginVerdict:
    """A password alone opens the helpdesk's API only for who is in no requirement and has no factor."""
    denied = LoginVerdict(decision=Decision.DENY, reason="2fa_required", deadline=enforcement.deadline)
    if facts.held_factors:
        return denied
    match enforcement.state:
        case EnforcementState.NOT_REQUIRED | EnforcementState.EXEMPT:
            return LoginVerdict(decision=Decision.ALLOW, reason=enforcement.state.value)
        case EnforcementState.GRACE if policy.api_password is ApiPassword.ALLOW_IN_GRACE:
            return LoginVerdict(decision=Decision.ALLOW, reason="grace", deadline=enforcement.deadline)
        case (
            EnforcementState.GRACE
            | EnforcementState.SATISFIED
            | EnforcementState.MUST_ENROL
            | EnforcementState.LOCKED_OUT
        ):
            return denied
