"""Logins: decided in one transaction with what policy publishes, and answered with a challenge where one is due."""

import asyncio
import datetime as dt

from shared.contracts import commands, events
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.types import Context, Decision, FactorType, FirstFactor, FirstFactorMethod, Purpose, Role
from tests.handlers.otp_worker.conftest import ANN, DAY, FIREFOX, STEP, Verifier

PHONE = Context(ip="198.51.100.3", user_agent="Helpdesk/3.1 (iPhone)")
AGENTS = Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.AGENT,)), grace_days=7)
SSO = FirstFactor(method=FirstFactorMethod.SSO, idp="okta", amr=("pwd",))


async def test_nobody_is_asked_where_nothing_is_required_and_nothing_enrolled(verifier: Verifier) -> None:
    """A method that is switched on is not yet mandatory."""
    answer = await verifier.login()
    assert (answer.decision, answer.reason, answer.challenge) == (Decision.ALLOW, "not_required", None)
    [decided] = await verifier.said(events.LoginDecided)
    assert (decided.data.decision, decided.data.ip) == (Decision.ALLOW, "192.0.2.7")


async def test_an_unknown_account_is_no_allowance(verifier: Verifier) -> None:
    """What policy does not know cannot be judged, and what cannot be judged stays out."""
    answered = await verifier.ask(
        commands.StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD)), "nobody"
    )
    assert answered.code == "account_not_found"


async def test_a_login_of_nobody_that_came_as_an_event_is_answered(verifier: Verifier) -> None:
    """Who published it hears of it by events alone, and would wait for ever."""
    started = commands.StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD), context=FIREFOX)
    await verifier.hear(started, "nobody")
    [decided] = await verifier.said(events.LoginDecided)
    assert (decided.data.decision, decided.data.reason) == (Decision.DENY, "account_not_found")
    assert decided.account_id is None
    assert decided.causation_id is not None


async def test_an_inactive_account_is_denied(verifier: Verifier) -> None:
    """A right password of a closed account opens nothing."""
    await verifier.account(is_active=False)
    answer = await verifier.login()
    assert (answer.decision, answer.reason) == (Decision.DENY, "account_inactive")


async def test_who_has_a_factor_is_challenged(verifier: Verifier) -> None:
    """A code at every login, required or not."""
    app = await verifier.enrol()
    answer = await verifier.login()
    assert (answer.decision, answer.reason) == (Decision.CHALLENGE, "factor_enrolled")
    assert answer.challenge is not None
    assert [factor.factor_id for factor in answer.challenge.factors] == [app.factor_id]
    assert answer.challenge.has_backup_codes
    assert await verifier.codes() == []  # an app needs none
    assert answer.challenge.expires_at - await verifier.now() <= dt.timedelta(minutes=10)


async def test_who_enrolled_a_moment_ago_is_not_told_to_enrol(verifier: Verifier) -> None:
    """The decision reads factors and policy in one transaction under the account's lock."""
    await verifier.policy(Policy(required=Requirement(scope=Scope.ALL), grace_days=None), required_since=None)
    assert (await verifier.login()).decision == Decision.ENROL
    await verifier.enrol()
    assert (await verifier.login()).decision == Decision.CHALLENGE


async def test_the_same_login_again_is_the_same_challenge(verifier: Verifier) -> None:
    """A double click must not double the attempts."""
    await verifier.enrol()
    first, again = await verifier.challenge(), await verifier.challenge()
    other = await verifier.challenge(context=PHONE)
    assert again.id == first.id
    assert other.id != first.id
    issued = [each for each in await verifier.said(events.ChallengeIssued) if each.data.purpose == "sign_in"]
    assert len(issued) == 2


async def test_at_most_three_challenges_are_open(verifier: Verifier) -> None:
    """Each brings five attempts, so there must not be many; a helpdesk that knows one of them may end it."""
    await verifier.enrol()
    opened = [(await verifier.challenge(context=Context(ip=f"192.0.2.{number}"))).id for number in range(3)]
    login = commands.StartLogin(
        first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD), context=Context(ip="192.0.2.99")
    )
    answered = await verifier.ask(login)
    assert answered.code == "too_many_challenges"
    assert answered.refusal is not None
    assert answered.refusal.retry_after_seconds is not None
    assert answered.refusal.retry_after_seconds <= 600
    assert set(answered.refusal.open_challenges or ()) == set(opened)
    assert (await verifier.ask(commands.CancelChallenge(challenge_id=opened[0]))).code is None
    assert (await verifier.ask(login)).code is None
    assert (await verifier.ask(login.model_copy(update={"context": PHONE}))).code == "too_many_challenges"
    await verifier.move(600)
    assert (await verifier.ask(login.model_copy(update={"context": PHONE}))).code is None


async def test_logins_in_one_frame_are_each_decided(verifier: Verifier) -> None:
    """Two of one account go one after the other, and find each other's challenge."""
    await verifier.enrol()
    await verifier.account("bob")
    login = commands.StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD), context=FIREFOX)
    frame = [verifier.envelope(login, account_id) for account_id in (ANN, "bob", ANN, "nobody")]
    answers = await verifier.ask_all(frame)
    assert [answer.data and answer.data["decision"] for answer in answers] == ["challenge", "allow", "challenge", None]
    assert answers[0].data is not None
    assert answers[2].data is not None
    assert answers[0].data["challenge"]["id"] == answers[2].data["challenge"]["id"]
    assert answers[3].code == "account_not_found"


async def test_logins_at_once_open_one_challenge(verifier: Verifier) -> None:
    """The account's lock, not luck, decides who finds the challenge and who makes it."""
    await verifier.enrol()
    challenges = await asyncio.gather(*(verifier.challenge() for _ in range(6)))
    assert len({challenge.id for challenge in challenges}) == 1


async def test_a_mailed_code_leaves_with_the_login(verifier: Verifier) -> None:
    """Nobody should have to ask for the only code there is."""
    factor_id = await verifier.enrol_by_code(FactorType.EMAIL)
    await verifier.move(60)
    challenge = await verifier.challenge()
    command = [each.data for each in await verifier.said(commands.SendEmail) if each.data.code is not None][-1]
    assert (challenge.sent_to, challenge.sends_left) == (factor_id, 3)
    assert challenge.next_send_at is not None
    assert command.challenge_id == challenge.id
    assert command.not_after == challenge.expires_at
    assert command.params["minutes"] == 10
    assert command.params["domain"] == "2fa.example"
    await verifier.challenge()
    assert len(await verifier.codes()) == 2  # the enrolment's and one for the login


async def test_the_factor_used_last_is_offered_first(verifier: Verifier) -> None:
    """People reach for what worked yesterday; where nothing was used, the strongest comes first."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    mail = await verifier.enrol_by_code(FactorType.EMAIL, proof=proof)
    challenge = await verifier.challenge()
    assert [factor.factor_id for factor in challenge.factors] == [mail, app.factor_id]
    now = await verifier.move(STEP)
    await verifier.passed(challenge.id, app.code(now), factor_id=app.factor_id)
    again = await verifier.challenge()
    assert [factor.factor_id for factor in again.factors] == [app.factor_id, mail]


async def test_a_method_switched_off_is_offered_only_where_nothing_else_is_left(verifier: Verifier) -> None:
    """Switching SMS off must neither lock its users out nor let them in without a code."""
    app = await verifier.enrol()
    proof = await verifier.proof(app)
    await verifier.enrol_by_code(FactorType.SMS, proof=proof)
    await verifier.policy(Policy(methods=(FactorType.TOTP,)))
    assert [factor.type for factor in (await verifier.challenge()).factors] == [FactorType.TOTP]
    await verifier.policy(Policy(methods=(FactorType.EMAIL,)))
    assert {factor.type for factor in (await verifier.challenge(context=PHONE)).factors} == {
        FactorType.TOTP,
        FactorType.SMS,
    }


async def test_within_grace_enrolling_is_offered_with_the_deadline(verifier: Verifier) -> None:
    """Seven days in which "skip" is an answer."""
    since = await verifier.now()
    await verifier.policy(AGENTS, required_since=since)
    answer = await verifier.login()
    assert (answer.decision, answer.reason) == (Decision.ENROL_OPTIONAL, "grace")
    assert answer.deadline == since + dt.timedelta(days=7)
    assert answer.challenge is not None
    assert (answer.challenge.purpose, answer.challenge.factors) == (Purpose.ENROLMENT, ())


async def test_a_mailbox_that_is_asked_for_from_now_on_is_asked_for_once(verifier: Verifier) -> None:
    """A login that was begun before the policy changed must neither do for it nor open a challenge at every retry."""
    await verifier.policy(AGENTS, required_since=await verifier.now())
    before = (await verifier.login()).challenge
    await verifier.policy(AGENTS.model_copy(update={"enrolment_proof": True}), required_since=await verifier.now())
    first, second = (await verifier.login()).challenge, (await verifier.login()).challenge
    assert before is not None
    assert first is not None
    assert second is not None
    assert first.factors[0].factor_id is None
    assert len({before.id, first.id, second.id}) == 2
    assert len(await verifier.said(events.ChallengeIssued)) == 2


async def test_after_grace_the_account_is_locked_out_to_the_second(verifier: Verifier) -> None:
    """The decision is computed at the login: a late timer lets nobody in."""
    await verifier.policy(AGENTS, required_since=await verifier.now())
    await verifier.move(7 * DAY - 60)
    assert (await verifier.login()).decision == Decision.ENROL_OPTIONAL
    await verifier.move(60)
    answer = await verifier.login()
    assert (answer.decision, answer.reason, answer.challenge) == (Decision.LOCKED_OUT, "deadline_passed", None)


async def test_after_grace_enrolling_may_be_forced_instead(verifier: Verifier) -> None:
    """A helpdesk that gives a date wants people enrolled, not locked out."""
    policy = AGENTS.model_copy(update={"after_grace": AfterGrace.ENROL})
    await verifier.policy(policy, required_since=await verifier.now())
    await verifier.move(8 * DAY)
    assert (await verifier.login()).decision == Decision.ENROL


async def test_a_locked_out_account_may_be_given_a_way_through_its_mailbox(verifier: Verifier) -> None:
    """Where the tenant allows it: enrol only, and only after a mailed code."""
    policy = AGENTS.model_copy(update={"enrol_when_locked_out": True})
    await verifier.policy(policy, required_since=await verifier.now())
    await verifier.move(8 * DAY)
    answer = await verifier.login()
    assert answer.decision == Decision.LOCKED_OUT
    assert answer.challenge is not None
    [mailbox] = answer.challenge.factors
    assert (mailbox.factor_id, mailbox.type, mailbox.destination) == (None, FactorType.EMAIL, "a•••l")
    await verifier.account(email_verified=False)
    await verifier.move(600)
    without = await verifier.login()
    assert (without.challenge, without.notice) == (None, "no_mailbox")


async def test_a_login_by_sso_is_exempt_and_a_password_login_of_that_account_is_not(verifier: Verifier) -> None:
    """The provider vouches for its own logins only: the old password must not be the way around both."""
    await verifier.account(is_sso=True)
    await verifier.policy(AGENTS.model_copy(update={"grace_days": None}), required_since=None)
    by_sso = await verifier.login(first_factor=SSO)
    assert (by_sso.decision, by_sso.reason) == (Decision.ALLOW, "sso")
    assert (await verifier.login()).decision == Decision.ENROL


async def test_the_api_is_closed_to_a_password_where_a_second_factor_is_required(verifier: Verifier) -> None:
    """An API that takes the password alone would be the door beside the door."""
    allowed = await verifier.login(purpose=Purpose.API_PASSWORD)
    assert allowed.decision == Decision.ALLOW
    await verifier.policy(AGENTS, required_since=await verifier.now())
    in_grace = await verifier.login(purpose=Purpose.API_PASSWORD)
    assert (in_grace.decision, in_grace.reason) == (Decision.DENY, "2fa_required")
    await verifier.policy(Policy())
    await verifier.enrol()
    enrolled = await verifier.login(purpose=Purpose.API_PASSWORD)
    assert (enrolled.decision, enrolled.reason) == (Decision.DENY, "2fa_required")


async def test_a_purpose_that_is_not_a_login_s_is_refused(verifier: Verifier) -> None:
    """Recovery and enrolment challenges are opened by their own rules."""
    login = commands.StartLogin(purpose=Purpose.RECOVERY, first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD))
    assert (await verifier.ask(login)).code == "method_not_allowed"


async def test_a_login_published_to_the_bus_is_answered_by_its_event(verifier: Verifier) -> None:
    """Who publishes `login.started` hears of the decision like everybody else."""
    await verifier.enrol()
    await verifier.hear(commands.StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD)))
    [decided] = await verifier.said(events.LoginDecided)
    assert decided.data.decision == Decision.CHALLENGE
    assert decided.data.challenge_id is not None
