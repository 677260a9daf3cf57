"""A right code, key or backup code: what is written and said of it, by whichever way it was found right."""

import datetime as dt
from dataclasses import replace

from services.otp_worker.adapters.assertions import amr
from services.otp_worker.adapters.tokens import new_token
from services.otp_worker.announcements import Cause, challenge_verified, mailbox_proved, notice, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.challenge import MAILBOX
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.throttle import after_success
from services.otp_worker.domain.trusted_device import TrustedDevice, device_name, may_trust
from services.otp_worker.handlers.attempts import Attempt, Mailbox
from services.otp_worker.handlers.changes import Changes
from shared.contracts import events
from shared.contracts.notifications import Notification
from shared.contracts.replies import TrustedDeviceToken, VerifyAnswer
from shared.contracts.types import ChallengeState, Context, DeviceId, Method
from shared.crypto.digests import token_digest
from shared.ids import new_id
from shared.messaging.outcome import Ok


def prove_mailbox(cause: Cause, attempt: Attempt, target: Mailbox, changes: Changes) -> Ok:
    """The mailbox of an enrolment or a recovery: proved, which is no second factor and so no assertion."""
    account, challenge = attempt.account, attempt.challenge
    verified = replace(challenge, state=ChallengeState.VERIFIED, verified_at=account.now, verified_by=MAILBOX)
    changes.judged.append((account.tenant_id, verified, account.now))
    changes.say([challenge_verified(cause, account, challenge, Method.EMAIL)])
    changes.say(mailbox_proved(cause, account, target.contact))
    return Ok(VerifyAnswer(method=Method.EMAIL, amr=amr(Method.EMAIL)))


def accept(
    cause: Cause,
    attempt: Attempt,
    changes: Changes,
    deps: Deps,
    *,
    method: Method,
    factor: Factor | None = None,
    step: int | None = None,
    trust: Context | None = None,
    codes_left: int | None = None,
) -> Ok:
    """A challenge passed for good. ``trust``: the person asked to trust this device."""
    account, challenge = attempt.account, attempt.challenge
    verified = replace(challenge, state=ChallengeState.VERIFIED, verified_at=account.now, verified_by=method.value)
    changes.judged.append((account.tenant_id, verified, account.now))
    throttle = after_success(account.state.throttle)
    changes.keep(account, replace(account.state, throttle=throttle, last_success_at=account.now))
    changes.say([challenge_verified(cause, account, challenge, method, factor.id if factor else None)])
    if factor is not None:
        changes.used_factors.append((account.tenant_id, factor.id, step, account.now))
        changes.say(mailbox_proved(cause, account, factor.contact) if method is Method.EMAIL else [])
    trusted = _trust(cause, attempt, changes, method, trust) if trust is not None else None
    answer = VerifyAnswer(
        method=method,
        amr=amr(method),
        assertion=_assertion(attempt, deps, method),
        trusted_device=trusted,
        backup_codes_left=codes_left,
    )
    return Ok(answer, holds_secret=trusted is not None)


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
    cause: Cause, attempt: Attempt, changes: Changes, method: Method, context: Context
) -> TrustedDeviceToken | None:
    """A new trust; None where this proof earns none, which is no reason to refuse the code."""
    account = attempt.account
    days = account.policy.trusted_device_days
    if not may_trust(method, attempt.challenge.purpose, days):
        return None
    token = new_token()
    device = TrustedDevice(
        id=DeviceId(new_id()),
        name=device_name(context.user_agent),
        method=method.value,
        factor_epoch=account.state.factor_epoch,
        created_at=account.now,
        expires_at=account.now + dt.timedelta(days=days),
    )
    changes.devices.append((account.key, device, token_digest(token.reveal())))
    changes.say([say(cause, account, events.TrustedDeviceAdded(device_id=device.id, expires_at=device.expires_at))])
    changes.say(
        notice(
            cause,
            account,
            attempt.factors,
            Notification.TRUSTED_DEVICE_ADDED,
            device_name=device.name,
            trusted_until=device.expires_at,
        )
    )
    return TrustedDeviceToken(id=device.id, token=token.reveal(), expires_at=device.expires_at)
