"""The login decision, as a table."""

import dataclasses
import datetime as dt

import pytest

from services.otp_worker.domain.login import (
    LoginFacts,
    counts_as_second_factor,
    decide_login,
    is_login,
    needs_mailbox,
)
from shared.contracts.policy import AfterGrace, ApiPassword, Policy, Requirement, Scope
from shared.contracts.types import Decision, EnforcementState, FirstFactor, FirstFactorMethod, Purpose, Role

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

NEW = LoginFacts(
    role=Role.AGENT,
    is_active=True,
    subject_since=NOW - 30 * DAY,
    required_since=NOW - DAY,
    is_individually_required=False,
    exempt_until=None,
    extended_until=None,
    must_enrol_since=None,
    held_factors=0,
    was_enrolled=False,
    is_device_trusted=False,
)
ENROLLED = dataclasses.replace(NEW, held_factors=1, was_enrolled=True)
TRUSTED = dataclasses.replace(ENROLLED, is_device_trusted=True)
LATE = dataclasses.replace(NEW, required_since=NOW - 8 * DAY)
RESET = dataclasses.replace(NEW, was_enrolled=True, must_enrol_since=NOW - DAY)
EXEMPT = dataclasses.replace(LATE, exempt_until=NOW + DAY)
EXTENDED = dataclasses.replace(LATE, extended_until=NOW + DAY)
REQUIRED = dataclasses.replace(NEW, is_individually_required=True, individually_required_since=NOW - DAY)
CLOSED = dataclasses.replace(TRUSTED, is_active=False)

FREE = Policy()
AGENTS = Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.AGENT,)), grace_days=7)
AT_ONCE = AGENTS.model_copy(update={"grace_days": None})
BY_DATE = AT_ONCE.model_copy(update={"grace_until": NOW + 3 * DAY})
PAST_DATE = AT_ONCE.model_copy(update={"grace_until": NOW - 3 * DAY})
SOFT = AGENTS.model_copy(update={"after_grace": AfterGrace.ENROL})
MERCIFUL = AGENTS.model_copy(update={"enrol_when_locked_out": True})

PASSWORD = FirstFactor(method=FirstFactorMethod.PASSWORD)
LINK = FirstFactor(method=FirstFactorMethod.LINK)
SSO = FirstFactor(method=FirstFactorMethod.SSO, idp="okta")
BY_MFA = FirstFactor(method=FirstFactorMethod.SSO, idp="okta", amr=("pwd", "mfa"), at=NOW)
SECOND = dt.timedelta(seconds=1)
TEN_MINUTES = dt.timedelta(minutes=10)


@pytest.mark.parametrize(
    ("policy", "facts", "first_factor", "decision", "reason"),
    [
        # nothing required
        (FREE, NEW, PASSWORD, Decision.ALLOW, "not_required"),
        (FREE, ENROLLED, PASSWORD, Decision.CHALLENGE, "factor_enrolled"),
        (FREE, TRUSTED, PASSWORD, Decision.ALLOW, "trusted_device"),
        (FREE, CLOSED, PASSWORD, Decision.DENY, "account_inactive"),
        (AGENTS, dataclasses.replace(LATE, role=Role.CUSTOMER), PASSWORD, Decision.ALLOW, "not_required"),
        # grace of days (row 24)
        (AGENTS, NEW, PASSWORD, Decision.ENROL_OPTIONAL, "grace"),
        (AGENTS, LATE, PASSWORD, Decision.LOCKED_OUT, "deadline_passed"),
        (MERCIFUL, LATE, PASSWORD, Decision.LOCKED_OUT, "deadline_passed"),
        (SOFT, LATE, PASSWORD, Decision.ENROL, "must_enrol"),
        (AGENTS, EXTENDED, PASSWORD, Decision.ENROL_OPTIONAL, "grace"),
        (AGENTS, EXEMPT, PASSWORD, Decision.ALLOW, "exempt"),
        # grace until a date (row 25), and none (row 23)
        (BY_DATE, NEW, PASSWORD, Decision.ENROL_OPTIONAL, "grace"),
        (PAST_DATE, LATE, PASSWORD, Decision.ENROL, "must_enrol"),
        (AT_ONCE, NEW, PASSWORD, Decision.ENROL, "must_enrol"),
        # with a factor
        (AGENTS, ENROLLED, PASSWORD, Decision.CHALLENGE, "factor_enrolled"),
        (AGENTS, ENROLLED, LINK, Decision.CHALLENGE, "factor_enrolled"),
        (AGENTS, TRUSTED, PASSWORD, Decision.ALLOW, "trusted_device"),
        (AGENTS, dataclasses.replace(EXEMPT, held_factors=1), PASSWORD, Decision.CHALLENGE, "factor_enrolled"),
        # after a reset or a recovery (rows 17, 18), and trust without a factor
        (AGENTS, RESET, PASSWORD, Decision.ENROL, "must_enrol"),
        (AGENTS, dataclasses.replace(RESET, is_device_trusted=True), PASSWORD, Decision.ENROL, "must_enrol"),
        # one account (row 22)
        (FREE, REQUIRED, PASSWORD, Decision.ENROL_OPTIONAL, "grace"),
        # SSO (row 27)
        (AT_ONCE, NEW, SSO, Decision.ALLOW, "sso"),
        (AGENTS, ENROLLED, SSO, Decision.ALLOW, "sso"),
    ],
)
def test_a_sign_in_is_decided(
    policy: Policy, facts: LoginFacts, first_factor: FirstFactor, decision: Decision, reason: str
) -> None:
    """Every cell says who gets in; one that changes by accident lets somebody in or locks somebody out."""
    verdict = decide_login(policy, facts, purpose=Purpose.SIGN_IN, first_factor=first_factor, now=NOW)
    assert (verdict.decision, verdict.reason) == (decision, reason)


@pytest.mark.parametrize(
    ("policy", "facts", "decision"),
    [
        (FREE, NEW, Decision.ALLOW),
        (FREE, ENROLLED, Decision.DENY),
        (FREE, TRUSTED, Decision.DENY),
        (AGENTS, NEW, Decision.DENY),
        (AGENTS.model_copy(update={"api_password": ApiPassword.ALLOW_IN_GRACE}), NEW, Decision.ALLOW),
        (AGENTS.model_copy(update={"api_password": ApiPassword.ALLOW_IN_GRACE}), LATE, Decision.DENY),
        (AGENTS.model_copy(update={"api_password": ApiPassword.ALLOW_IN_GRACE}), ENROLLED, Decision.DENY),
        (AT_ONCE, NEW, Decision.DENY),
        (AGENTS, LATE, Decision.DENY),
        (AGENTS, EXEMPT, Decision.ALLOW),
        (FREE, CLOSED, Decision.DENY),
    ],
)
def test_a_password_at_the_api_is_decided(policy: Policy, facts: LoginFacts, decision: Decision) -> None:
    """Row 28: the API takes no second factor, so whoever needs one may not use a password there."""
    verdict = decide_login(policy, facts, purpose=Purpose.API_PASSWORD, first_factor=PASSWORD, now=NOW)
    assert verdict.decision is decision
    assert not verdict.may_enrol


@pytest.mark.parametrize(
    ("facts", "first_factor", "decision"),
    [
        (NEW, PASSWORD, Decision.DENY),
        (ENROLLED, PASSWORD, Decision.CHALLENGE),
        (TRUSTED, PASSWORD, Decision.CHALLENGE),
        (TRUSTED, SSO, Decision.CHALLENGE),
    ],
)
def test_a_step_up_asks_for_the_factor_itself(facts: LoginFacts, first_factor: FirstFactor, decision: Decision) -> None:
    """Neither a trusted device nor an identity provider stands in for it, unless the tenant trusts that one."""
    verdict = decide_login(FREE, facts, purpose=Purpose.STEP_UP, first_factor=first_factor, now=NOW)
    assert verdict.decision is decision


@pytest.mark.parametrize(
    ("first_factor", "decision"),
    [
        (BY_MFA, Decision.ALLOW),
        (BY_MFA.model_copy(update={"at": NOW.replace(tzinfo=None)}), Decision.ALLOW),  # news without an offset
        (BY_MFA.model_copy(update={"at": NOW - TEN_MINUTES + SECOND}), Decision.ALLOW),
        (BY_MFA.model_copy(update={"at": NOW - TEN_MINUTES}), Decision.CHALLENGE),
        (BY_MFA.model_copy(update={"at": NOW + TEN_MINUTES}), Decision.CHALLENGE),
        (BY_MFA.model_copy(update={"at": None}), Decision.CHALLENGE),
        (BY_MFA.model_copy(update={"amr": ("pwd",)}), Decision.CHALLENGE),
        (BY_MFA.model_copy(update={"idp": "other"}), Decision.CHALLENGE),
        (BY_MFA.model_copy(update={"method": FirstFactorMethod.PASSWORD}), Decision.CHALLENGE),
    ],
)
def test_a_step_up_is_passed_at_a_trusted_provider_that_has_just_asked_for_a_second_factor(
    first_factor: FirstFactor, decision: Decision
) -> None:
    """Who signs in through SSO has no factor here to step up with; what was shown an hour ago is no step-up."""
    policy = Policy(trusted_idps=("okta",))
    verdict = decide_login(policy, ENROLLED, purpose=Purpose.STEP_UP, first_factor=first_factor, now=NOW)
    assert verdict.decision is decision
    elsewhere = dataclasses.replace(ENROLLED, identity_providers=("entra",))
    again = decide_login(policy, elsewhere, purpose=Purpose.STEP_UP, first_factor=first_factor, now=NOW)
    assert again.decision is Decision.CHALLENGE


@pytest.mark.parametrize(
    ("named", "idp", "decision"),
    [
        ((), None, Decision.ALLOW),
        ((), "okta", Decision.ALLOW),
        (("okta", "entra"), "okta", Decision.ALLOW),
        (("okta",), "other", Decision.CHALLENGE),
        (("okta",), None, Decision.CHALLENGE),
    ],
)
def test_sso_exempts_only_through_a_provider_that_the_tenant_names(
    named: tuple[str, ...], idp: str | None, decision: Decision
) -> None:
    """Where the tenant says whom it believes, the word "sso" alone is no way around the second factor."""
    facts = dataclasses.replace(ENROLLED, identity_providers=named)
    by_sso = FirstFactor(method=FirstFactorMethod.SSO, idp=idp)
    assert decide_login(FREE, facts, purpose=Purpose.SIGN_IN, first_factor=by_sso, now=NOW).decision is decision


@pytest.mark.parametrize(
    ("policy", "facts", "may_enrol"),
    [
        (FREE, NEW, False),  # a password is enough there, and no challenge needed
        (FREE, RESET, True),
        (FREE.model_copy(update={"enrolment_proof": True}), NEW, True),
        (AGENTS, RESET, True),
    ],
)
def test_a_step_up_without_a_factor_leads_to_the_mailbox_where_that_is_asked_for(
    policy: Policy,
    facts: LoginFacts,
    may_enrol: bool,  # noqa: FBT001
) -> None:
    """Who is let in without a factor meets no challenge at the sign-in, and would never get to enrol again."""
    verdict = decide_login(policy, facts, purpose=Purpose.STEP_UP, first_factor=PASSWORD, now=NOW)
    assert (verdict.decision, verdict.reason) == (Decision.DENY, "no_factor")
    assert (verdict.may_enrol, verdict.enrolment_needs_mailbox) == (may_enrol, may_enrol)


@pytest.mark.parametrize(
    ("policy", "facts", "may_enrol", "needs"),
    [
        (AGENTS, NEW, True, False),
        (AT_ONCE, NEW, True, False),
        (AT_ONCE.model_copy(update={"enrolment_proof": True}), NEW, True, True),
        (AGENTS, RESET, True, True),
        (AGENTS, LATE, False, True),
        (MERCIFUL, LATE, True, True),
        (FREE, NEW, False, False),
        (FREE, ENROLLED, False, False),
    ],
)
def test_a_login_may_bring_the_right_to_enrol(
    policy: Policy, facts: LoginFacts, *, may_enrol: bool, needs: bool
) -> None:
    """With a mailed code first wherever a stolen password would otherwise bind the thief's phone."""
    verdict = decide_login(policy, facts, purpose=Purpose.SIGN_IN, first_factor=PASSWORD, now=NOW)
    assert (verdict.may_enrol, verdict.enrolment_needs_mailbox) == (may_enrol, needs)


def test_the_deadline_is_told() -> None:
    """A button that says "skip" is honest only with a date on it."""
    verdict = decide_login(AGENTS, NEW, purpose=Purpose.SIGN_IN, first_factor=PASSWORD, now=NOW)
    assert verdict.deadline == NOW + 6 * DAY


@pytest.mark.parametrize(
    ("trusted", "idp", "amr", "counts"),
    [
        (("okta",), "okta", ("pwd", "otp"), True),
        (("okta",), "okta", ("mfa",), True),
        (("okta",), "okta", ("pwd",), False),
        (("okta",), "okta", (), False),
        ((), "okta", ("mfa",), False),
        (("okta",), "other", ("mfa",), False),
        (("okta",), None, ("mfa",), False),
    ],
)
def test_an_identity_providers_second_factor_counts_where_it_is_believed(
    trusted: tuple[str, ...], idp: str | None, amr: tuple[str, ...], *, counts: bool
) -> None:
    """The tenant lists the provider, and the provider says what it saw."""
    policy = Policy(trusted_idps=trusted)
    first = FirstFactor(method=FirstFactorMethod.SSO, idp=idp, amr=amr)
    assert counts_as_second_factor(policy, first) is counts
    assert not counts_as_second_factor(policy, first.model_copy(update={"method": FirstFactorMethod.PASSWORD}))


def test_three_purposes_are_a_logins() -> None:
    """Enrolments and recoveries open their challenges by their own rules."""
    assert {purpose for purpose in Purpose if is_login(purpose)} == {
        Purpose.SIGN_IN,
        Purpose.STEP_UP,
        Purpose.API_PASSWORD,
    }


def test_locked_out_always_needs_the_mailbox() -> None:
    """Whoever missed the deadline proves more than the password."""
    assert needs_mailbox(FREE, was_enrolled=False, state=EnforcementState.LOCKED_OUT)
    assert not needs_mailbox(FREE, was_enrolled=False, state=EnforcementState.GRACE)
