"""A new factor begins: pending until a code of it is proved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.announcements import Cause, challenge_cancelled, challenge_issued, enrolment_begun, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.enrolment import MayEnrol, MayNotEnrol, may_enrol, may_use_address
from services.otp_worker.domain.factor import PENDING_LIFETIME, Factor, default_name, may_add
from services.otp_worker.domain.sending import Send, decide_send
from services.otp_worker.domain.totp import base32, setup_uri
from services.otp_worker.domain.views import factor_view
from services.otp_worker.handlers.acting import may_not_act
from services.otp_worker.handlers.attempts import Attempt
from services.otp_worker.handlers.challenges import refuse_send
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import destination_of, send_code
from services.otp_worker.handlers.code_sets import ShownCodes, prepare_codes
from services.otp_worker.handlers.locked import Locked, lock, proof_of
from services.otp_worker.handlers.logins import new_challenge
from services.otp_worker.handlers.seeds import NewSeed, make_seed
from services.otp_worker.queries.challenges import cancel_challenges, load_open_challenges
from services.otp_worker.queries.factors import end_factors, insert_factor
from services.otp_worker.queries.pending_codes import void_pending_codes
from services.otp_worker.queries.redemptions import is_passed_by
from shared.contracts import events
from shared.contracts.commands import StartEnrolment
from shared.contracts.envelope import Envelope
from shared.contracts.policy import BackupCodes
from shared.contracts.replies import EnrolmentAnswer, RefusalCode, TotpSetup
from shared.contracts.types import ChallengeId, Contact, FactorId, FactorState, FactorType, Purpose
from shared.ids import new_id
from shared.messaging.outcome import Ok, Outcome, Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.advice import keeping

Start = Envelope[StartEnrolment]

_ENROLLABLE = frozenset({FactorType.TOTP, FactorType.SMS, FactorType.EMAIL})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What may be made."""

    contact: Contact | None
    login_challenge_id: ChallengeId | None
    proof_id: ChallengeId | None  # the step-up, where one was needed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A pending factor, the challenge that confirms it, and an authenticator's seed."""

    factor: Factor
    challenge: Challenge
    seed: NewSeed | None


async def start_enrolment(asked: Start, uow: UnitOfWork, deps: Deps) -> Outcome:
    """Make a pending factor; the active ones keep working meanwhile."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    plan = await _plan(asked, uow, locked)
    if isinstance(plan, Refused):
        return plan
    changes = Changes()
    changes.keep(locked.account, locked.account.state)
    made = await _make(asked, uow, deps, changes, locked, plan)
    if isinstance(made, Refused):
        return made
    older = [each for each in locked.factors if each.type is asked.data.factor_type or _shows_codes(asked, locked)]
    await expire_pending(asked, uow, changes, locked.account, older, "started_again")
    codes = await _codes_to_save(asked, uow, locked, made)
    await _store(asked, uow, changes, locked.account, plan, made)
    return _answer(locked.account, made, codes)


async def _plan(asked: Start, uow: UnitOfWork, locked: Locked) -> _Plan | Refused:
    account, wanted = locked.account, asked.data
    if not account.is_active:
        return refuse(RefusalCode.ACCOUNT_INACTIVE)
    if wanted.factor_type not in _ENROLLABLE or wanted.factor_type not in account.policy.methods:
        return refuse(RefusalCode.METHOD_NOT_ALLOWED)
    permission = await _permission(asked, uow, locked)
    if isinstance(permission, Refused):
        return permission
    if wanted.replaces is not None and all(factor.id != wanted.replaces for factor in locked.held):
        return refuse(RefusalCode.FACTOR_NOT_FOUND)
    if wanted.replaces is None and not may_add(locked.factors):
        return refuse(RefusalCode.TOO_MANY_FACTORS)
    contact = _contact(asked, account)
    if contact is None and wanted.factor_type is not FactorType.TOTP:
        return refuse(RefusalCode.NO_MAILBOX, detail=_no_address(asked))
    is_named = wanted.destination is not None
    if contact is not None and not may_use_address(account, wanted.factor_type, contact, is_named=is_named):
        return refuse(RefusalCode.EMAIL_NOT_VERIFIED)
    proof_id = wanted.proof if locked.held else None
    return _Plan(contact=contact, login_challenge_id=permission.login_challenge_id, proof_id=proof_id)


async def _permission(asked: Start, uow: UnitOfWork, locked: Locked) -> MayEnrol | Refused:
    """By a proof of the account, or by an admin who vouches for whom nothing guards yet: neither the mailbox nor the
    lock of who did not enrol in time stands in the way then.
    """
    account, wanted = locked.account, asked.data
    if wanted.acting is not None:
        if (refused := await may_not_act(uow, account, wanted.acting)) is not None:
            return refused
        return refuse(RefusalCode.HAS_FACTORS) if locked.held else MayEnrol()
    proof = await proof_of(uow, account, wanted.proof)
    if proof is not None and await _is_another_browsers(asked, uow, proof):
        return refuse(RefusalCode.PROOF_REQUIRED)
    permission = may_enrol(account, held=locked.held, proof=proof)
    return refuse(permission.code, detail=permission.detail) if isinstance(permission, MayNotEnrol) else permission


async def _is_another_browsers(asked: Start, uow: UnitOfWork, proof: Challenge) -> bool:
    """Whether a login's challenge was passed in another browser than the hosted page's that asks. Two who sign in alike
    are given the same one, and one of them may be a thief with the password, who waits for its owner to prove it.
    """
    digest = asked.data.redeem_digest
    if digest is None or proof.purpose is not Purpose.ENROLMENT or proof.verified_by is None:
        return False
    return not await is_passed_by(uow.conn, asked.tenant_id, proof.id, bytes.fromhex(digest))


def _no_address(asked: Start) -> str:
    """An admin names none: theirs would be a way in."""
    missing = "The account has no such address"
    return f"{missing}." if asked.data.acting is not None else f"{missing}; name a destination."


def _contact(asked: Start, account: Account) -> Contact | None:
    match asked.data.factor_type:
        case FactorType.EMAIL:
            return asked.data.destination or account.email
        case FactorType.SMS:
            return asked.data.destination or account.phone
        case FactorType.TOTP | FactorType.WEBAUTHN:
            return None


async def expire_pending(
    cause: Cause, uow: UnitOfWork, changes: Changes, account: Account, factors: Sequence[Factor], reason: str
) -> None:
    """End those of these factors that are pending, with their challenges.

    Whoever starts again has lost the first QR code; what was begun while the account had no factor, on a password
    alone, must not be finished once it has one.
    """
    pending = [factor for factor in factors if factor.state is FactorState.PENDING]
    if not pending:
        return
    ended = await end_factors(uow.conn, account.tenant_id, account.id, [each.id for each in pending], at=account.now)
    open_ones = (await load_open_challenges(uow.conn, [account.key]))[account.key]
    theirs = [challenge.id for challenge in open_ones if challenge.factor_id in ended]
    cancelled = await cancel_challenges(uow.conn, account.tenant_id, theirs, at=account.now)
    changes.say(challenge_cancelled(cause, account, cancelled, reason))
    expired = [events.FactorExpired(factor_id=each.id, factor_type=each.type) for each in pending if each.id in ended]
    changes.say(say(cause, account, event) for event in expired)


async def _make(
    asked: Start, uow: UnitOfWork, deps: Deps, changes: Changes, locked: Locked, plan: _Plan
) -> _Made | Refused:
    """The code that proves a phone or an address leaves at once, or there is no enrolment."""
    seed = await make_seed(uow, deps, locked.account) if asked.data.factor_type is FactorType.TOTP else None
    factor = _factor(asked, locked.account, plan.contact, seed)
    challenge = _challenge(locked.account, factor)
    to = destination_of(factor)
    if to is None:
        return _Made(factor=factor, challenge=challenge, seed=seed)
    match decide_send(challenge, locked.account.state.budget, to.channel, locked.account.now):
        case Send() as send:
            after = send_code(asked, deps, changes, locked.account, challenge, to, send)
            return _Made(factor=factor, challenge=after, seed=seed)
        case refusal:
            attempt = Attempt(account=locked.account, challenge=challenge, factors=locked.factors, codes=())
            return refuse_send(refusal, attempt)


def _factor(asked: Start, account: Account, contact: Contact | None, seed: NewSeed | None) -> Factor:
    return Factor(
        id=seed.factor_id if seed else FactorId(new_id()),
        type=asked.data.factor_type,
        state=FactorState.PENDING,
        name=asked.data.name or default_name(asked.data.factor_type),
        created_at=account.now,
        contact=contact,
        seed=seed.stored if seed else None,
        expires_at=account.now + PENDING_LIFETIME,
    )


def _challenge(account: Account, factor: Factor) -> Challenge:
    """The enrolment's own: its attempts, its codes, and as long a life as the pending factor's."""
    challenge = new_challenge(account, Purpose.ENROLMENT, f"factor:{factor.id}")
    return replace(challenge, factor_id=factor.id, expires_at=account.now + PENDING_LIFETIME)


async def _store(asked: Start, uow: UnitOfWork, changes: Changes, account: Account, plan: _Plan, made: _Made) -> None:
    factor, challenge = made.factor, made.challenge
    await insert_factor(
        uow.conn,
        account.tenant_id,
        account.id,
        factor,
        challenge_id=challenge.id,
        login_challenge_id=plan.login_challenge_id,
        replaces=asked.data.replaces,
        proof_challenge_id=plan.proof_id,
    )
    changes.issued.append((account.tenant_id, challenge, account.state.factor_epoch))
    changes.say([challenge_issued(asked, account, challenge)])
    changes.say(enrolment_begun(asked, account, factor, asked.data))
    await changes.store(uow)


def _shows_codes(asked: Start, locked: Locked) -> bool:
    """Whether codes are shown before the account's first factor is active.

    Then nothing else that was begun goes on: confirmed, it would make good the codes that this beginning has shown, and
    who began this one, on a password alone, may be somebody else. An admin who sets the factor up hands a key over, and
    is shown no codes: the confirmation brings them.
    """
    is_before = locked.account.policy.backup_codes is BackupCodes.BEFORE_ACTIVATION
    return is_before and not locked.held and asked.data.acting is None


async def _codes_to_save(asked: Start, uow: UnitOfWork, locked: Locked, made: _Made) -> ShownCodes:
    """What the person has to save before the account's first factor is active, where the policy wants it so."""
    account = locked.account
    if locked.held:
        return ShownCodes()
    if _shows_codes(asked, locked):
        return await prepare_codes(uow, account, made.challenge.expires_at)
    await void_pending_codes(uow.conn, *account.key, at=account.now)  # of another beginning, or a policy that is over
    return ShownCodes()


def _answer(account: Account, made: _Made, codes: ShownCodes) -> Ok:
    """With the seed and the codes, this once."""
    totp = None
    if made.seed is not None:
        clear = made.seed.clear.reveal()
        uri = setup_uri(clear, account=account.id, issuer=account.tenant_name)
        totp = TotpSetup(seed=base32(clear), uri=uri)
    answer = EnrolmentAnswer(
        factor=factor_view(made.factor, next_send_at=made.challenge.next_send_at),
        totp=totp,
        backup_codes=codes.backup_codes,
        recovery_key=codes.recovery_key,
        guidance=keeping(codes.backup_codes, codes.recovery_key),
    )
    return Ok(answer, holds_secret=totp is not None or codes != ShownCodes())
