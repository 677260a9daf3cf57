"""A challenge passed on a hosted page: the browser carries a code home, the helpdesk redeems it for the assertion.

The code is the browser's own, made of its session's secret, and its digest commits with the success. So whoever waits
at the same challenge in another browser gets nothing by it, and a browser whose answer was lost asks for the same code
again. A crash between success and redemption leaves a challenge that this browser may renew for ten minutes.
"""

from services.otp_worker.adapters.assertions import amr
from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.announcements import challenge_redeemed
from services.otp_worker.deps import Deps
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.redemption import is_redeemable, passed_by, vouched_purpose
from services.otp_worker.domain.trusted_device import device_name, may_trust
from services.otp_worker.handlers.attempts import Attempt
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import Locked, lock
from services.otp_worker.handlers.successes import trust_device
from services.otp_worker.queries import redemptions
from services.otp_worker.queries.challenges import lock_challenges, lock_owner
from shared.contracts.commands import RedeemChallenge, RenewRedemption, VerifyCode
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RedeemAnswer, RefusalCode, Renewed, TrustedDeviceToken, VerifyAnswer
from shared.contracts.types import Method
from shared.crypto.digests import token_digest
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

Redeem = Envelope[RedeemChallenge]


def hold(typed: Envelope[VerifyCode], attempt: Attempt, outcome: Outcome, changes: Changes) -> Outcome:
    """The success of a hosted page: no assertion on that way, the challenge waits for the helpdesk."""
    digest = typed.data.redeem_digest
    if digest is None or not isinstance(outcome, Ok) or not isinstance(outcome.data, VerifyAnswer):
        return outcome
    is_passed = outcome.data.assertion is not None  # else a mailbox was proved: nobody is let in, this browser goes on
    device = device_name(typed.data.context.user_agent) if is_passed and typed.data.trust_device else None
    changes.redeemable.append((typed.tenant_id, attempt.challenge.id, bytes.fromhex(digest), device))
    return Ok(outcome.data.model_copy(update={"assertion": None}), holds_secret=outcome.holds_secret)


async def renew_redemption(asked: Envelope[RenewRedemption], uow: UnitOfWork, _: Deps) -> Outcome:
    """Another minute for the browser that passed. No lock: one compare-and-set, and nothing is decided."""
    digest = bytes.fromhex(asked.data.redeem_digest)
    is_renewed = await redemptions.renew_redemption(uow.conn, asked.tenant_id, asked.data.challenge_id, digest)
    return Ok(Renewed(is_redeemable=is_renewed))


async def redeem_challenge(asked: Redeem, uow: UnitOfWork, deps: Deps) -> Outcome:
    """The assertion, once. Every fault is the same refusal: whoever guesses learns nothing by it."""
    key = asked.tenant_id, asked.data.challenge_id
    owner = await lock_owner(uow.conn, *key)
    code = open_typed(deps.typed, asked.data.code, asked.tenant_id, str(asked.data.challenge_id), "redeem_code")
    locked = await lock(uow, *owner) if owner is not None else None
    challenge = (await lock_challenges(uow.conn, [key])).get(key) if locked is not None else None
    if code is None or locked is None or challenge is None:
        return refuse(RefusalCode.NOT_REDEEMABLE)
    if not is_redeemable(challenge, locked.account, locked.held):
        return refuse(RefusalCode.NOT_REDEEMABLE)
    is_redeemed, device = await redemptions.redeem_challenge(uow.conn, *key, token_digest(code.reveal()))
    if not is_redeemed:
        return refuse(RefusalCode.NOT_REDEEMABLE)
    changes = Changes()
    answer = _answer(asked, locked, challenge, changes, deps, device=device)
    changes.say([challenge_redeemed(asked, locked.account, challenge)])
    await changes.store(uow)
    return Ok(answer, holds_secret=True)


def _answer(
    asked: Redeem, locked: Locked, challenge: Challenge, changes: Changes, deps: Deps, *, device: str | None
) -> RedeemAnswer:
    account, purpose = locked.account, vouched_purpose(challenge)
    method = passed_by(challenge)
    assertion = deps.assertions.sign(
        tenant_id=account.tenant_id,
        account_id=account.id,
        challenge_id=challenge.id,
        purpose=purpose,
        method=method,
        at=account.system_now,
    )
    return RedeemAnswer(
        challenge_id=challenge.id,
        account_id=account.id,
        purpose=purpose,
        method=method,
        amr=amr(method),
        assertion=assertion,
        trusted_device=_trust(asked, locked, challenge, method, changes, device),
        leads_to=None if challenge.verified_factor_id is not None else "security",
    )


def _trust(
    asked: Redeem, locked: Locked, challenge: Challenge, method: Method, changes: Changes, device: str | None
) -> TrustedDeviceToken | None:
    """What the person asked for, if this proof earns it; the token is made here, so that it rested nowhere."""
    account = locked.account
    if device is None or not may_trust(method, challenge.purpose, account.policy.trusted_device_days):
        return None
    return trust_device(asked, account, locked.factors, method, device, changes)
