"""One typed code against one factor: what it is compared with, and what follows."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.otp_worker.adapters.codes import is_one_of
from services.otp_worker.adapters.seeds import open_seed, seed_place
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import Challenge, closed_reason, is_for_nothing
from services.otp_worker.domain.factor import Factor, offered
from services.otp_worker.domain.sending import SentCode, alive
from services.otp_worker.domain.totp import ClockOff, Comparison, NoStep, RightStep, UsedStep, compare
from services.otp_worker.domain.views import offers_factors
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Contact, FactorId
from shared.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A challenge, its account, and all that a code may be compared with."""

    account: Account
    challenge: Challenge
    factors: Sequence[Factor]
    codes: Sequence[SentCode]

    @property
    def offered(self) -> list[Factor]:
        """The factors that the challenge offers, in order."""
        return offered(self.factors, self.account.policy.methods) if offers_factors(self.challenge) else []


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The challenge's own mailbox is to be proved."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class NotOffered:
    """That factor, or none, is not asked for here."""


@dataclass(frozen=True, slots=True)
class Right:
    """The code is right. `step` of a TOTP code."""

    step: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """It was right once."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """It is wrong; `clock` when it is the code of another time."""

    clock: ClockOff | None = None


Match = Right | Used | Wrong


def over_reason(attempt: Attempt) -> RefusalCode | None:
    """Why nothing is judged or sent any more; None: the challenge is open, and so is what it is for."""
    recovery = attempt.account.recovery
    if is_for_nothing(attempt.challenge, recovery.id if recovery is not None else None):
        return RefusalCode.RECOVERY_OVER
    return closed_reason(attempt.challenge, attempt.account.now)


def target_of(attempt: Attempt, factor_id: FactorId | None) -> Factor | Mailbox | NotOffered:
    """What one try is judged against: the factor named, else the one whose code was sent last, else the first one."""
    if attempt.challenge.factor_id is not None:
        return NotOffered()  # the enrolment's own: confirmed, not verified
    if attempt.challenge.mailbox is not None:
        return Mailbox(attempt.challenge.mailbox) if factor_id is None else NotOffered()
    shown = attempt.offered
    wanted = factor_id if factor_id is not None else attempt.challenge.sent_to
    found = next((factor for factor in shown if factor.id == wanted), None)
    if found is None and factor_id is None and shown:
        return shown[0]
    return found if found is not None else NotOffered()


def match_code(attempt: Attempt, target: Factor | Mailbox, code: Secret[str], deps: Deps) -> Match:
    """Compare. Every comparison takes the same time whether it fits or not. Raises `UnknownKey`."""
    if isinstance(target, Factor) and target.seed is not None:
        return _match_totp(attempt, target, code, deps)
    factor_id = target.id if isinstance(target, Factor) else None
    return _match_sent(attempt, factor_id, code, deps)


def _match_totp(attempt: Attempt, factor: Factor, code: Secret[str], deps: Deps) -> Match:
    seed = _seed_of(attempt.account, factor, deps)
    if seed is None:
        return Wrong()
    compared: Comparison = compare(
        seed.reveal(),
        code.reveal(),
        now=attempt.account.now,
        last_step=factor.last_step,
        burnt_steps=factor.burnt_steps,
        may_hint=not attempt.challenge.is_hinted,
    )
    match compared:
        case RightStep(step):
            return Right(step)
        case UsedStep():
            return Used()
        case ClockOff():
            return Wrong(compared)
        case NoStep():
            return Wrong()


def _seed_of(account: Account, factor: Factor, deps: Deps) -> Secret[bytes] | None:
    """None of an erased account: nothing can be right any more."""
    if factor.seed is None or account.tenant_key is None or account.account_key is None:
        return None
    return open_seed(
        deps.master_key,
        factor.seed,
        tenant_key=account.tenant_key,
        account_key=account.account_key,
        place=seed_place(account.tenant_id, account.id, factor.id),
    )


def _match_sent(attempt: Attempt, factor_id: FactorId | None, code: Secret[str], deps: Deps) -> Match:
    challenge = attempt.challenge
    fresh = [sent for sent in alive(attempt.codes, factor_id, attempt.account.now) if sent.used_at is None]
    spent = [sent for sent in attempt.codes if sent.factor_id == factor_id and sent.used_at is not None]
    if is_one_of(deps.digests, [sent.digest for sent in fresh], code, challenge.id, challenge.purpose):
        return Right()
    if is_one_of(deps.digests, [sent.digest for sent in spent], code, challenge.id, challenge.purpose):
        return Used()
    return Wrong()
