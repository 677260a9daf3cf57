"""A right code, key or backup code: what is written and said of it, by whichever way it was found right."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.otp_worker.adapters.assertions import amr
from services.otp_worker.adapters.tokens import new_token
from services.otp_worker.announcements import Cause, Said, challenge_verified, device_trusted, mailbox_proved
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import MAILBOX, as_verified
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.throttle import after_success
from services.otp_worker.domain.trusted_device import TrustedDevice, device_name, may_trust
from services.otp_worker.handlers.attempts import Attempt, Mailbox
from services.otp_worker.handlers.changes import Changes
from shared.contracts.replies import TrustedDeviceToken, VerifyAnswer
from shared.contracts.types import Context, DeviceId, Method
from shared.crypto.digests import token_digest
from shared.ids import new_id
from shared.messaging.outcome import Ok
from shared.rules.advice import keeping


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was right: a code of a factor, with its step, or one that stands in for a factor."""

    method: Method
    factor: Factor | None = None
    step: int | None = None
    codes_left: int | None = None
    new_key: str | None = field(default=None, repr=False)  # in place of the recovery key that was right


def prove_mailbox(cause: Cause, attempt: Attempt, target: Mailbox, changes: Changes) -> Ok:
    """The mailbox of an enrolment or a recovery: proved, which is no second factor and so no assertion."""
    account, challenge = attempt.account, attempt.challenge
    verified = as_verified(challenge, by=MAILBOX, now=account.now)
    changes.judged.append((account.tenant_id, verified, account.now))
    changes.say([challenge_verified(cause, account, challenge, Method.EMAIL)])
    changes.say(mailbox_proved(cause, account, target.contact))
    return Ok(VerifyAnswer(method=Method.EMAIL, amr=amr(Method.EMAIL), recovery_id=challenge.recovery_id))


def accept(
    cause: Cause, attempt: Attempt, proof: Proof, changes: Changes, deps: Deps, *, trust: Context | None = None
) -> Ok:
    """A challenge passed for good. ``trust``: the person asked to trust this device."""
    _count(attempt, proof, changes)
    changes.say(_said(cause, attempt, proof))
    trusted = _trust(cause, attempt, proof.method, changes, trust) if trust is not None else None
    answer = VerifyAnswer(
        method=proof.method,
        amr=amr(proof.method),
        assertion=_assertion(attempt, deps, proof.method),
        trusted_device=trusted,
        backup_codes_left=proof.codes_left,
        recovery_key=proof.new_key,
        guidance=keeping(proof.new_key),
        leads_to=None if proof.factor is not None else "security",
    )
    return Ok(answer, holds_secret=trusted is not None or proof.new_key is not None)


def _count(attempt: Attempt, proof: Proof, changes: Changes) -> None:
    """The challenge is verified, the wait is over, the factor and its step are used."""
    account = attempt.account
    factor_id = proof.factor.id if proof.factor is not None else None
    verified = as_verified(attempt.challenge, by=proof.method.value, now=account.now, factor_id=factor_id)
    changes.judged.append((account.tenant_id, verified, account.now))
    throttle = after_success(account.state.throttle)
    state = changes.state_of(account)
    changes.succeed(account, replace(state, throttle=throttle, last_success_at=account.now))
    if proof.factor is not None:
        changes.used_factors.append((account.tenant_id, proof.factor.id, proof.step, account.now))


def _said(cause: Cause, attempt: Attempt, proof: Proof) -> Said:
    account, factor = attempt.account, proof.factor
    factor_id = factor.id if factor is not None else None
    said: Said = [challenge_verified(cause, account, attempt.challenge, proof.method, factor_id)]
    if factor is not None and proof.method is Method.EMAIL:
        said += mailbox_proved(cause, account, factor.contact)
    return said


def _assertion(attempt: Attempt, deps: Deps, method: Method) -> str:
    account, challenge = attempt.account, attempt.challenge
    return deps.assertions.sign(
        tenant_id=account.tenant_id,
        account_id=account.id,
        challenge_id=challenge.id,
        purpose=challenge.purpose,
        method=method,
        at=account.system_now,
    )


def _trust(
    cause: Cause, attempt: Attempt, method: Method, changes: Changes, context: Context
) -> TrustedDeviceToken | None:
    """A new trust; None where this proof earns none, which is no reason to refuse the code."""
    if not may_trust(method, attempt.challenge.purpose, attempt.account.policy.trusted_device_days):
        return None
    return trust_device(cause, attempt.account, attempt.factors, method, device_name(context.user_agent), changes)


def trust_device(
    cause: Cause, account: Account, factors: Sequence[Factor], method: Method, name: str, changes: Changes
) -> TrustedDeviceToken:
    """A browser that passes without a code from now on. The caller knows that the proof earns it."""
    device, token = _new_device(account, method, name), new_token()
    changes.devices.append((account.key, device, token_digest(token.reveal())))
    changes.say(device_trusted(cause, account, factors, device))
    return TrustedDeviceToken(id=device.id, token=token.reveal(), expires_at=device.expires_at)


def _new_device(account: Account, method: Method, name: str) -> TrustedDevice:
    return TrustedDevice(
        id=DeviceId(new_id()),
        name=name,
        method=method.value,
        factor_epoch=account.state.factor_epoch,
        created_at=account.now,
        expires_at=account.now + dt.timedelta(days=account.policy.trusted_device_days),
    )
