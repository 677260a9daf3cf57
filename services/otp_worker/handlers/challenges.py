"""An open challenge: look at it, send a code for it, end it."""

from dataclasses import dataclass
from uuid import UUID

from services.otp_worker.announcements import challenge_cancelled
from services.otp_worker.deps import Deps
from services.otp_worker.domain.backup_code import CodesLeft
from services.otp_worker.domain.challenge import Challenge, closed_reason
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import Send, TooManySends, TooSoon, decide_send, seconds_until
from services.otp_worker.domain.views import challenge_view
from services.otp_worker.handlers.attempts import Attempt, Mailbox, NotOffered, over_reason, target_of
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sending import Destination, destination_of, mailbox_of, send_code
from services.otp_worker.queries.backup_codes import count_codes
from services.otp_worker.queries.challenges import cancel_challenges, load_challenge, lock_challenges, lock_owner
from services.otp_worker.queries.people import load_people
from shared.contracts.commands import CancelChallenge, ReadChallenge, SendCode
from shared.contracts.envelope import Envelope
from shared.contracts.replies import Refusal, RefusalCode
from shared.contracts.types import ChallengeId, ChallengeState
from shared.messaging.outcome import Ok, Outcome, Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork

NOTHING_SENT = "An authenticator is sent nothing: it shows its codes by itself."

_NO_MORE_OF_LOGIN = (
    "Four codes were sent for this challenge, and no more are. Use one of them, or cancel it and start another login."
)
_NO_MORE_OF_FACTOR = (
    "Four codes were sent for this factor, and no more are. Use one of them, or begin its enrolment anew."
)
_NO_MORE_OF_RECOVERY = (
    "Four codes were sent for this recovery, and no more are. Use one of them; once Retry-After is over, ask for the "
    "recovery again, and another is mailed."
)
_NO_MORE_TODAY = "As many codes were sent to this account as a day has. Use another factor, or wait until Retry-After."


@dataclass(frozen=True, slots=True)
class _Seen:
    attempt: Attempt
    codes_left: CodesLeft

    def answer(self) -> Ok:
        """The challenge as its tenant sees it."""
        account, attempt = self.attempt.account, self.attempt
        view = challenge_view(
            attempt.challenge,
            attempt.offered,
            codes_left=self.codes_left,
            now=account.now,
            trusted_device_days=account.policy.trusted_device_days,
        )
        return Ok(view)


async def read_challenge(asked: Envelope[ReadChallenge], uow: UnitOfWork, _: Deps) -> Outcome:
    """How it stands. No lock: what is read may be over a moment later anyway."""
    challenge = await load_challenge(uow.conn, asked.tenant_id, asked.data.challenge_id)
    if challenge is None:
        return refuse(RefusalCode.CHALLENGE_NOT_FOUND)
    key = asked.tenant_id, challenge.account_id
    accounts, factors = await load_people(uow.conn, [key])
    if key not in accounts:
        return refuse(RefusalCode.CHALLENGE_NOT_FOUND)
    codes_left = await count_codes(uow.conn, [key])
    attempt = Attempt(account=accounts[key], challenge=challenge, factors=factors[key], codes=())
    return _Seen(attempt, codes_left[key]).answer()


async def send_challenge_code(asked: Envelope[SendCode], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Send, or send again, to one of the destinations that the challenge offers."""
    seen = await _take(asked.tenant_id, asked.data.challenge_id, uow)
    if seen is None:
        return refuse(RefusalCode.CHALLENGE_NOT_FOUND)
    attempt, account = seen.attempt, seen.attempt.account
    over = over_reason(attempt)
    if over is not None:
        return refuse(over)
    to = _destination(attempt, asked)
    if isinstance(to, Refused):
        return to
    match decide_send(attempt.challenge, account.state.budget, to.channel, account.now):
        case TooSoon() | TooManySends() as refusal:
            return refuse_send(refusal, attempt)
        case Send() as send:
            changes = Changes()
            after = send_code(asked, deps, changes, account, attempt.challenge, to, send)
            changes.sends.append((account.tenant_id, after))
            await changes.store(uow)
            sent = Attempt(account=account, challenge=after, factors=attempt.factors, codes=())
            return _Seen(sent, seen.codes_left).answer()


async def cancel_challenge(asked: Envelope[CancelChallenge], uow: UnitOfWork, _: Deps) -> Outcome:
    """End it. Cancelled twice is cancelled once."""
    seen = await _take(asked.tenant_id, asked.data.challenge_id, uow)
    if seen is None:
        return refuse(RefusalCode.CHALLENGE_NOT_FOUND)
    account, challenge = seen.attempt.account, seen.attempt.challenge
    cancelled = await cancel_challenges(uow.conn, asked.tenant_id, [challenge.id], at=account.now)
    uow.publish(*challenge_cancelled(asked, account, cancelled, "asked"))
    after = (await lock_challenges(uow.conn, [(asked.tenant_id, challenge.id)]))[asked.tenant_id, challenge.id]
    if after.state is not ChallengeState.CANCELLED:
        return refuse(closed_reason(after, account.now) or RefusalCode.CHALLENGE_NOT_OPEN)
    ended = Attempt(account=account, challenge=after, factors=seen.attempt.factors, codes=())
    return _Seen(ended, seen.codes_left).answer()


def refuse_send(refusal: TooSoon | TooManySends, attempt: Attempt) -> Refused:
    """When the next code may be sent, if ever."""
    now = attempt.account.now
    match refusal:
        case TooSoon(next_send_at):
            seconds = seconds_until(next_send_at, now)
            return Refused(Refusal(code=RefusalCode.TOO_SOON, retry_after_seconds=seconds, next_send_at=next_send_at))
        case TooManySends(free_at, is_of_challenge):
            detail = _no_more(attempt.challenge) if is_of_challenge else _NO_MORE_TODAY
            return refuse(RefusalCode.TOO_MANY_SENDS, detail=detail, retry_after_seconds=seconds_until(free_at, now))


def _no_more(challenge: Challenge) -> str:
    """Where a challenge has no sends left, another one of its kind has: the way to it."""
    if challenge.recovery_id is not None:
        return _NO_MORE_OF_RECOVERY
    return _NO_MORE_OF_LOGIN if challenge.factor_id is None else _NO_MORE_OF_FACTOR


def _destination(attempt: Attempt, asked: Envelope[SendCode]) -> Destination | Refused:
    target = target_of(attempt, asked.data.factor_id)
    match target:
        case Mailbox():
            return mailbox_of(attempt.challenge) or refuse(RefusalCode.FACTOR_NOT_OFFERED)
        case Factor():
            return destination_of(target) or refuse(RefusalCode.FACTOR_NOT_OFFERED, detail=NOTHING_SENT)
        case NotOffered():
            return refuse(RefusalCode.FACTOR_NOT_OFFERED)


async def _take(tenant_id: UUID, challenge_id: ChallengeId, uow: UnitOfWork) -> _Seen | None:
    """The challenge under its account's lock."""
    owner = await lock_owner(uow.conn, tenant_id, challenge_id)
    if owner is None:
        return None
    challenges = await lock_challenges(uow.conn, [(tenant_id, challenge_id)])
    accounts, factors = await load_people(uow.conn, [owner])
    challenge = challenges.get((tenant_id, challenge_id))  # gone, if its account was erased before the lock was ours
    if owner not in accounts or challenge is None:
        return None
    codes_left = await count_codes(uow.conn, [owner])
    attempt = Attempt(account=accounts[owner], challenge=challenge, factors=factors[owner], codes=())
    return _Seen(attempt, codes_left[owner])
