"""Logins. The first factor was right at the helpdesk: may the account in."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from services.otp_worker.announcements import challenge_issued, login_decided, login_of_nobody
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, login_facts
from services.otp_worker.domain.challenge import LIFETIME, Challenge, Issue, Reuse, TooMany, open_one
from services.otp_worker.domain.login import LoginVerdict, decide_login, is_login
from services.otp_worker.domain.sending import Send, decide_send, seconds_until
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.views import challenge_view
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import destination_of, send_code
from services.otp_worker.handlers.situation import Login, Situation, key_of, load_situations
from services.otp_worker.queries.accounts import Key
from shared.contracts.replies import LoginAnswer, Refusal, RefusalCode, WaitingRecovery
from shared.contracts.types import ChallengeId, ChallengeState, Context, Decision, Method, Purpose
from shared.ids import new_id
from shared.messaging.outcome import Deferred, ListOutcome, Ok, Outcome, Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def start_logins(logins: Sequence[Login], uow: UnitOfWork, deps: Deps) -> list[ListOutcome]:
    """Decide each; two logins of one account are decided one after the other."""
    known = await load_situations(logins, uow, deps)
    changes = Changes()
    outcomes: dict[Key, ListOutcome] = {}
    results: list[ListOutcome] = []
    for login in logins:
        key = key_of(login)
        if key not in known or key in outcomes:
            results.append(Deferred())
            continue
        situation = known[key]
        outcomes[key] = _decide(login, situation, changes, deps) if situation else _nobody(login, changes)
        results.append(outcomes[key])
    await changes.store(uow)
    return results


def _nobody(login: Login, changes: Changes) -> Outcome:
    """An account that was never put. Who sent its login as an event hears nothing but events."""
    if login.data.request is None:
        changes.say([login_of_nobody(login, purpose=login.data.purpose, context=login.data.context)])
    return refuse(RefusalCode.ACCOUNT_NOT_FOUND)


def _decide(login: Login, situation: Situation, changes: Changes, deps: Deps) -> Outcome:
    account, data = situation.account, login.data
    if not is_login(data.purpose):
        return refuse(RefusalCode.METHOD_NOT_ALLOWED, detail="This purpose is not one of a login.")
    held = sum(factor.is_held for factor in situation.factors)
    facts = login_facts(account, held_factors=held, is_device_trusted=situation.is_device_trusted)
    verdict = decide_login(account.policy, facts, purpose=data.purpose, first_factor=data.first_factor, now=account.now)
    if account.state != situation.stored:
        changes.keep(account, account.state)
    match verdict.decision:
        case Decision.CHALLENGE:
            return _challenge(login, situation, verdict, changes, deps)
        case Decision.ENROL | Decision.ENROL_OPTIONAL | Decision.LOCKED_OUT:
            return _enrol(login, situation, verdict, changes)
        case Decision.DENY if verdict.may_enrol:
            return _enrol(login, situation, verdict, changes)
        case Decision.ALLOW | Decision.DENY:
            return _pass_or_deny(login, situation, verdict, changes, deps)


def _challenge(login: Login, situation: Situation, verdict: LoginVerdict, changes: Changes, deps: Deps) -> Outcome:
    """The open challenge of the same context, or a new one; mail and SMS leave at once where they come first."""
    account = situation.account
    context = context_digest(login.data.context)
    match open_one(situation.open_challenges, login.data.purpose, context, account.now):
        case TooMany() as refusal:
            return _too_many(refusal, account)
        case Reuse(challenge):
            after = _send_first(login, situation, challenge, changes, deps)
            if after is not challenge:
                changes.sends.append((account.tenant_id, after))
            return _answer(login, situation, verdict, changes, after)
        case Issue():
            challenge = new_challenge(account, login.data.purpose, context)
            after = _send_first(login, situation, challenge, changes, deps)
            changes.issued.append((account.tenant_id, after, account.state.factor_epoch))
            changes.say([challenge_issued(login, account, after)])
            return _answer(login, situation, verdict, changes, after)


def _too_many(refusal: TooMany, account: Account) -> Outcome:
    """With the open ones: the helpdesk may know one of them for this person's, in a tab that was closed, and end it."""
    seconds = seconds_until(refusal.free_at, account.now)
    return Refused(
        Refusal(code=RefusalCode.TOO_MANY_CHALLENGES, retry_after_seconds=seconds, open_challenges=refusal.open_ids)
    )


def _send_first(login: Login, situation: Situation, challenge: Challenge, changes: Changes, deps: Deps) -> Challenge:
    """Send if the first offered factor waits for a code and none is on its way."""
    account = situation.account
    to = destination_of(situation.offered[0]) if situation.offered else None
    if to is None or challenge.sends or code_factors_closed_until(account.state.throttle, account.now):
        return challenge
    match decide_send(challenge, account.state.budget, to.channel, account.now):
        case Send() as send:
            return send_code(login, deps, changes, account, challenge, to, send)
        case _:
            return challenge


def _enrol(login: Login, situation: Situation, verdict: LoginVerdict, changes: Changes) -> Outcome:
    """A challenge that carries the right to enrol; with the mailbox, where that must be proved first."""
    account = situation.account
    mailbox = account.mailbox if verdict.enrolment_needs_mailbox else None
    if not verdict.may_enrol or (verdict.enrolment_needs_mailbox and mailbox is None):
        return _answer(login, situation, verdict, changes, None)
    context = context_digest(login.data.context)
    alike = [each for each in situation.open_challenges if (each.mailbox is None) == (mailbox is None)]
    match open_one(alike, Purpose.ENROLMENT, context, account.now):
        case Reuse(challenge):
            return _answer(login, situation, verdict, changes, challenge)
        case TooMany() as refusal:
            return _too_many(refusal, account)
        case Issue():
            challenge = replace(new_challenge(account, Purpose.ENROLMENT, context), mailbox=mailbox)
            changes.issued.append((account.tenant_id, challenge, account.state.factor_epoch))
            changes.say([challenge_issued(login, account, challenge)])
            return _answer(login, situation, verdict, changes, challenge)


def _pass_or_deny(login: Login, situation: Situation, verdict: LoginVerdict, changes: Changes, deps: Deps) -> Outcome:
    """No challenge. A trusted device is noted, and vouched for by an assertion that says so."""
    account, device = situation.account, situation.device
    if verdict.reason != Method.TRUSTED_DEVICE.value or device is None:
        return _answer(login, situation, verdict, changes, None)
    changes.used_devices.append((account.tenant_id, device.id, account.now))
    assertion = deps.assertions.sign(
        tenant_id=account.tenant_id,
        account_id=account.id,
        challenge_id=None,
        purpose=login.data.purpose,
        method=Method.TRUSTED_DEVICE,
        at=account.system_now,
    )
    return _answer(login, situation, verdict, changes, None, assertion)


def _answer(
    login: Login,
    situation: Situation,
    verdict: LoginVerdict,
    changes: Changes,
    challenge: Challenge | None,
    assertion: str | None = None,
) -> Outcome:
    account = situation.account
    decided = login_decided(
        login, account, verdict, purpose=login.data.purpose, challenge=challenge, context=login.data.context
    )
    changes.say([decided])
    view = (
        challenge_view(
            challenge,
            situation.offered,
            codes_left=situation.codes_left,
            now=account.now,
            trusted_device_days=account.policy.trusted_device_days,
        )
        if challenge
        else None
    )
    lacks_mailbox = verdict.enrolment_needs_mailbox and verdict.may_enrol and challenge is None
    waiting = _waiting(account) if verdict.decision is Decision.ALLOW else None
    answer = LoginAnswer(
        decision=verdict.decision,
        reason=verdict.reason,
        challenge=view,
        deadline=verdict.deadline,
        notice="no_mailbox" if lacks_mailbox else "recovery_waiting" if waiting is not None else None,
        recovery=waiting,
        assertion=assertion,
    )
    return Ok(answer)


def _waiting(account: Account) -> WaitingRecovery | None:
    """Whoever is let in without a code does not stop a recovery by that, but can be asked whether it is theirs."""
    recovery = account.recovery
    if recovery is None or recovery.ready_at is None:
        return None
    return WaitingRecovery(id=recovery.id, ready_at=recovery.ready_at)


def new_challenge(account: Account, purpose: Purpose, context: str) -> Challenge:
    """A challenge that opens now."""
    return Challenge(
        id=ChallengeId(new_id()),
        account_id=account.id,
        purpose=purpose,
        state=ChallengeState.OPEN,
        context=context,
        created_at=account.now,
        expires_at=account.now + LIFETIME,
    )


def context_digest(context: Context) -> str:
    """What makes two logins the same one: the same browser at the same address."""
    return hashlib.sha256(f"{context.ip}\n{context.user_agent}".encode()).hexdigest()
