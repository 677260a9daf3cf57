"""Typed codes: each judged once, against one factor, with its count in the same commit as its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.deps import Deps
from services.otp_worker.domain.challenge import Challenge, fail_code, fail_mailed_code
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import seconds_until
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.typed import digits
from services.otp_worker.handlers.attempts import (
    Attempt,
    Mailbox,
    NotOffered,
    Right,
    Used,
    Wrong,
    match_code,
    over_reason,
    target_of,
)
from services.otp_worker.handlers.backup_codes import judge_backup_code
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.failures import already_used, reject, throttled
from services.otp_worker.handlers.redemption import hold
from services.otp_worker.handlers.successes import Proof, accept, prove_mailbox
from services.otp_worker.queries.accounts import Key
from services.otp_worker.queries.challenges import ChallengeKey, lock_owner, try_lock_owners
from services.otp_worker.queries.codes import load_codes
from services.otp_worker.queries.people import lock_judged
from shared.contracts.commands import VerifyCode
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeState, Purpose
from shared.db.connection import Connection
from shared.messaging.outcome import Deferred, ListOutcome, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.secret import Secret

Typed = Envelope[VerifyCode]


async def verify_codes(typed: Sequence[Typed], uow: UnitOfWork, deps: Deps) -> list[ListOutcome]:
    """Judge each; of two tries at one account the second goes singly, after the first one's commit."""
    mine, owners = await _take(typed, uow.conn)
    attempts = await load_attempts(uow.conn, owners)
    changes = Changes()
    outcomes = {each.id: await _judge(each, attempts.get(_key(each)), changes, uow, deps) for each in mine}
    await changes.store(uow)
    return [outcomes.get(each.id, Deferred()) for each in typed]


async def _take(typed: Sequence[Typed], conn: Connection) -> tuple[list[Typed], dict[ChallengeKey, Key]]:
    """Those judged now, and whose challenges they are about: their accounts are locked.

    Backup codes go singly: their slow hash would hold up the others.
    """
    if len(typed) == 1:
        only = await lock_owner(conn, *_key(typed[0]))
        return list(typed), {_key(typed[0]): only} if only is not None else {}
    owners = await try_lock_owners(conn, [_key(each) for each in typed])
    mine: list[Typed] = []
    taken: dict[Key, ChallengeKey] = {}
    for each in typed:
        owner = owners.get(_key(each))
        if _key(each) not in owners:
            mine.append(each)  # no such challenge, which is soon said
        elif owner is not None and owner not in taken and each.data.code is not None:
            taken[owner] = _key(each)
            mine.append(each)
    return mine, {key: owner for owner, key in taken.items()}


async def load_attempts(conn: Connection, owners: Mapping[ChallengeKey, Key]) -> dict[ChallengeKey, Attempt]:
    """What these challenges are judged by; the caller holds the locks of the accounts whose they are."""
    if not owners:
        return {}
    challenges, accounts, factors = await lock_judged(conn, owners)
    with_codes = [key for key, each in challenges.items() if each.sends]
    codes = await load_codes(conn, with_codes) if with_codes else {}
    return {
        key: Attempt(
            account=accounts[key[0], each.account_id],
            challenge=each,
            factors=factors[key[0], each.account_id],
            codes=codes.get(key, []),
        )
        for key, each in challenges.items()
    }


async def _judge(typed: Typed, attempt: Attempt | None, changes: Changes, uow: UnitOfWork, deps: Deps) -> Outcome:
    if attempt is None:
        return refuse(RefusalCode.CHALLENGE_NOT_FOUND)
    outcome = await _judge_typed(typed, attempt, changes, uow, deps)
    return hold(typed, attempt, outcome, changes) if typed.data.redeem_digest is not None else outcome


async def _judge_typed(typed: Typed, attempt: Attempt, changes: Changes, uow: UnitOfWork, deps: Deps) -> Outcome:
    if not attempt.account.is_active:
        return refuse(RefusalCode.ACCOUNT_INACTIVE)
    if typed.data.code is None:
        return await judge_backup_code(typed, attempt, changes, uow, deps)
    opened = open_typed(deps.typed, typed.data.code, typed.tenant_id, str(attempt.challenge.id))
    code = digits(opened.reveal()) if opened is not None else None
    if code is None:
        return refuse(RefusalCode.CODE_MALFORMED, attempts_left=attempt.challenge.attempts_left)
    target = target_of(attempt, typed.data.factor_id)
    if isinstance(target, NotOffered):  # of an account that was reset meanwhile nothing is offered: it is over
        return refuse(over_reason(attempt) or RefusalCode.FACTOR_NOT_OFFERED)
    return _judge_code(typed, attempt, target, Secret(code), changes, deps)


def _judge_code(
    typed: Typed, attempt: Attempt, target: Factor | Mailbox, code: Secret[str], changes: Changes, deps: Deps
) -> Outcome:
    account, challenge = attempt.account, attempt.challenge
    over = over_reason(attempt)
    if over is not None:
        was_passed = challenge.state in (ChallengeState.VERIFIED, ChallengeState.REDEEMED)
        was_used = was_passed and _is_used(attempt, target, code, deps)
        return refuse(RefusalCode.CODE_ALREADY_USED if was_used else over)
    until = code_factors_closed_until(account.state.throttle, account.now)
    if until is not None and (isinstance(target, Factor) or _guards_factors(challenge)):
        factor_id = target.id if isinstance(target, Factor) else None
        return throttled(typed, attempt, changes, factor_id, seconds=seconds_until(until, account.now))
    found = match_code(attempt, target, code, deps)
    if isinstance(found, Used):
        return already_used(typed, attempt, changes, target.id if isinstance(target, Factor) else None)
    if isinstance(target, Mailbox):
        return _judge_mailbox(typed, attempt, target, found, changes)
    return _judge_factor(typed, attempt, target, found, changes, deps)


def _judge_mailbox(typed: Typed, attempt: Attempt, target: Mailbox, found: Right | Wrong, changes: Changes) -> Outcome:
    challenge, throttle, now = attempt.challenge, attempt.account.state.throttle, attempt.account.now
    match found:
        case Right():
            return prove_mailbox(typed, attempt, target, changes)
        case Wrong():
            is_guarding = _guards_factors(challenge)
            failure = fail_code(challenge, throttle, now) if is_guarding else fail_mailed_code(challenge, throttle)
            return reject(typed, attempt, failure, changes)


def _guards_factors(challenge: Challenge) -> bool:
    """Whether a mailbox stands where a second factor would: before an enrolment, on a password that may be stolen.

    Guesses count there as at a factor. A recovery has limits of its own, else a thief could shut its owner out of it.
    """
    return challenge.purpose is Purpose.ENROLMENT


def _judge_factor(
    typed: Typed, attempt: Attempt, factor: Factor, found: Right | Wrong, changes: Changes, deps: Deps
) -> Outcome:
    match found:
        case Right(step):
            proof = Proof(method=factor.method, factor=factor, step=step)
            is_wanted = typed.data.trust_device and typed.data.redeem_digest is None  # else when it is redeemed
            trust = typed.data.context if is_wanted else None
            return accept(typed, attempt, proof, changes, deps, trust=trust)
        case Wrong(clock):
            failure = fail_code(attempt.challenge, attempt.account.state.throttle, attempt.account.now)
            return reject(typed, attempt, failure, changes, factor=factor, clock=clock)


def _is_used(attempt: Attempt, target: Factor | Mailbox, code: Secret[str], deps: Deps) -> bool:
    """Whether a code typed at a verified challenge is the one that verified it: two clicks, not an attack."""
    unhinted = replace(attempt, challenge=replace(attempt.challenge, is_hinted=True))
    return isinstance(match_code(unhinted, target, code, deps), Used)


def _key(typed: Typed) -> ChallengeKey:
    return typed.tenant_id, typed.data.challenge_id
