"""Logins. The first factor was right at the helpdesk: may the account in."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.announcements import challenge_issued, login_decided
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, AccountState, login_facts
from services.otp_worker.domain.challenge import LIFETIME, Challenge, Issue, Reuse, TooMany, open_one
from services.otp_worker.domain.factor import Factor, offered
from services.otp_worker.domain.login import LoginVerdict, decide_login, is_login
from services.otp_worker.domain.sending import Send, decide_send, seconds_until
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.trusted_device import TrustedDevice, is_trusted
from services.otp_worker.domain.views import challenge_view
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import destination_of, send_code
from services.otp_worker.queries.accounts import Key, load_accounts
from services.otp_worker.queries.backup_codes import count_backup_codes
from services.otp_worker.queries.challenges import load_open_challenges
from services.otp_worker.queries.factors import load_factors
from services.otp_worker.queries.trusted_devices import find_devices
from shared.contracts.commands import StartLogin
from shared.contracts.envelope import Envelope
from shared.contracts.replies import LoginAnswer, RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState, Context, Decision, Method, Purpose
from shared.crypto.digests import token_digest
from shared.db.account_lock import lock_accounts
from shared.ids import new_id
from shared.messaging.outcome import Deferred, ListOutcome, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

Login = Envelope[StartLogin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of the account when it logs in."""

    account: Account
    factors: Sequence[Factor]
    stored: AccountState
    open_challenges: Sequence[Challenge]
    codes_left: int
    device: TrustedDevice | None

    @property
    def offered(self) -> list[Factor]:
        """What a challenge of it offers."""
        return offered(self.factors, self.account.policy.methods)


async def start_logins(logins: Sequence[Login], uow: UnitOfWork, deps: Deps) -> list[ListOutcome]:
    """Decide each; two logins of one account are decided one after the other."""
    known = await _load(logins, uow, deps)
    changes = Changes()
    outcomes: dict[Key, ListOutcome] = {}
    results: list[ListOutcome] = []
    for login in logins:
        key = _key(login)
        if key not in known or key in outcomes:
            results.append(Deferred())
            continue
        situation = known[key]
        outcomes[key] = _decide(login, situation, changes, deps) if situation else refuse(RefusalCode.ACCOUNT_NOT_FOUND)
        results.append(outcomes[key])
    await changes.store(uow)
    return results


async def _load(logins: Sequence[Login], uow: UnitOfWork, deps: Deps) -> dict[Key, Situation | None]:
    """The situations of those accounts whose lock we have; None: policy knows no such account."""
    locked = await lock_accounts(uow.conn, [_key(login) for login in logins])
    keys = sorted(locked)
    if not keys:
        return {}
    accounts = await load_accounts(uow.conn, keys)
    factors = await load_factors(uow.conn, keys)
    challenges = await load_open_challenges(uow.conn, keys)
    codes_left = await count_backup_codes(uow.conn, keys)
    tokens = [(_key(login), token) for login in logins if _key(login) in locked and (token := _token(login, deps))]
    devices = await find_devices(uow.conn, tokens) if tokens else {}
    return {
        key: Situation(
            account=_with_password_change(accounts[key], next(login for login in logins if _key(login) == key)),
            stored=accounts[key].state,
            factors=factors[key],
            open_challenges=challenges[key],
            codes_left=codes_left.get(key, 0),
            device=devices.get(key),
        )
        if key in accounts
        else None
        for key in keys
    }


def _decide(login: Login, situation: Situation, changes: Changes, deps: Deps) -> Outcome:
    account, data = situation.account, login.data
    if not is_login(data.purpose):
        return refuse(RefusalCode.METHOD_NOT_ALLOWED, detail="This purpose is not one of a login.")
    trusted = _is_trusted(situation)
    held = sum(factor.is_held for factor in situation.factors)
    facts = login_facts(account, held_factors=held, is_device_trusted=trusted)
    verdict = decide_login(account.policy, facts, purpose=data.purpose, first_factor=data.first_factor, now=account.now)
    if account.state != situation.stored:
        changes.keep(account, account.state)
    match verdict.decision:
        case Decision.CHALLENGE:
            return _challenge(login, situation, verdict, changes, deps)
        case Decision.ENROL | Decision.ENROL_OPTIONAL | Decision.LOCKED_OUT:
            return _enrol(login, situation, verdict, changes)
        case Decision.ALLOW | Decision.DENY:
            return _pass_or_deny(login, situation, verdict, changes, deps)


def _challenge(login: Login, situation: Situation, verdict: LoginVerdict, changes: Changes, deps: Deps) -> Outcome:
    """The open challenge of the same context, or a new one; mail and SMS leave at once where they come first."""
    account = situation.account
    context = context_digest(login.data.context)
    match open_one(situation.open_challenges, login.data.purpose, context, account.now):
        case TooMany(free_at):
            seconds = seconds_until(free_at, account.now)
            return refuse(RefusalCode.TOO_MANY_CHALLENGES, retry_after_seconds=seconds)
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
    match open_one(situation.open_challenges, Purpose.ENROLMENT, context, account.now):
        case Reuse(challenge) if (challenge.mailbox is None) == (mailbox is None):
            return _answer(login, situation, verdict, changes, challenge)
        case TooMany(free_at):
            seconds = seconds_until(free_at, account.now)
            return refuse(RefusalCode.TOO_MANY_CHALLENGES, retry_after_seconds=seconds)
        case Issue() | Reuse():
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
    has_codes = situation.codes_left > 0
    shown = situation.offered
    answer = LoginAnswer(
        decision=verdict.decision,
        reason=verdict.reason,
        challenge=challenge_view(challenge, shown, has_backup_codes=has_codes, now=account.now) if challenge else None,
        deadline=verdict.deadline,
        notice="no_mailbox" if verdict.enrolment_needs_mailbox and verdict.may_enrol and challenge is None else None,
        assertion=assertion,
    )
    return Ok(answer)


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


def _is_trusted(situation: Situation) -> bool:
    account = situation.account
    return situation.device is not None and is_trusted(
        situation.device,
        factor_epoch=account.state.factor_epoch,
        password_changed_at=account.password_changed_at,
        methods=account.policy.methods,
        trusted_device_days=account.policy.trusted_device_days,
        now=account.now,
    )


def _with_password_change(account: Account, login: Login) -> Account:
    """The latest change of password that anybody told us of; a login may be faster than the event."""
    told = login.data.password_changed_at
    if told is not None and told.tzinfo is None:
        told = told.replace(tzinfo=dt.UTC)
    # a helpdesk whose clock is ahead shall not end the trusts of tomorrow
    instants = (told and min(told, account.now), account.password_changed_at)
    latest = max((at for at in instants if at is not None), default=None)
    return replace(account, password_changed_at=latest, state=replace(account.state, password_changed_at=latest))


def _token(login: Login, deps: Deps) -> bytes | None:
    sealed = login.data.trusted_device_token
    if sealed is None or login.account_id is None:
        return None
    token = open_typed(deps.typed, sealed, login.tenant_id, login.account_id, "trusted_device_token")
    return None if token is None else token_digest(token.reveal())


def _key(login: Login) -> Key:
    return login.tenant_id, login.account_id or ""
