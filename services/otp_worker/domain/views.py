"""How challenges and factors look to their tenant: masked, without what only we need."""

import datetime as dt
from collections.abc import Sequence

from services.otp_worker.domain.backup_code import CodesLeft
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import MAX_SENDS
from shared.contracts.replies import ChallengeView, FactorView, OfferedFactor
from shared.contracts.types import ChallengeState, FactorType, Purpose
from shared.rules.advice import ADVICE, STRENGTHS

_BY_CODE_OF_A_FACTOR = frozenset({Purpose.SIGN_IN, Purpose.STEP_UP})


def offers_factors(challenge: Challenge) -> bool:
    """Whether factors and backup codes answer it; else its mailbox alone does, or nothing: it is a proof to carry."""
    return challenge.purpose in _BY_CODE_OF_A_FACTOR


def challenge_view(
    challenge: Challenge,
    factors: Sequence[Factor],
    *,
    codes_left: CodesLeft,
    now: dt.datetime,
    trusted_device_days: int,
) -> ChallengeView:
    """A challenge; ``factors`` are those it offers, in order. ``trusted_device_days`` is the policy's."""
    is_open = challenge.is_open(now)
    next_send_at = challenge.next_send_at if is_open else None
    has_expired = challenge.state is ChallengeState.OPEN and not is_open
    return ChallengeView(
        id=challenge.id,
        account_id=challenge.account_id,
        purpose=challenge.purpose,
        state=ChallengeState.EXPIRED if has_expired else challenge.state,
        factors=_offers(challenge, factors, next_send_at),
        has_backup_codes=codes_left.backup_codes > 0 and offers_factors(challenge),
        has_recovery_key=codes_left.has_recovery_key and offers_factors(challenge),
        attempts_left=challenge.attempts_left if is_open else 0,
        sends_left=MAX_SENDS - challenge.sends if is_open else 0,
        next_send_at=next_send_at,
        expires_at=challenge.expires_at,
        sent_to=challenge.sent_to,
        trusted_device_days=trusted_device_days if challenge.purpose is Purpose.SIGN_IN else 0,
    )


def factor_view(factor: Factor, *, next_send_at: dt.datetime | None = None) -> FactorView:
    """A factor, without seed and full destination."""
    return FactorView(
        id=factor.id,
        type=factor.type,
        state=factor.state,
        name=factor.name,
        destination=factor.contact.masked if factor.contact else None,
        created_at=factor.created_at,
        expires_at=factor.expires_at,
        confirmed_at=factor.confirmed_at,
        last_used_at=factor.last_used_at,
        next_send_at=next_send_at,
        strength=STRENGTHS[factor.type],
        advice=ADVICE.get(factor.type),
    )


def _offers(
    challenge: Challenge, factors: Sequence[Factor], next_send_at: dt.datetime | None
) -> tuple[OfferedFactor, ...]:
    """The mailbox alone where that is to be proved, else the factors, if the challenge asks for one."""
    if challenge.mailbox is not None:
        mailbox = OfferedFactor(
            factor_id=None,
            type=FactorType.EMAIL,
            name="E-mail",
            destination=challenge.mailbox.masked,
            next_send_at=next_send_at,
            strength=STRENGTHS[FactorType.EMAIL],
            advice=ADVICE.get(FactorType.EMAIL),
        )
        return (mailbox,)
    return tuple(_offer(factor, next_send_at) for factor in factors) if offers_factors(challenge) else ()


def _offer(factor: Factor, next_send_at: dt.datetime | None) -> OfferedFactor:
    return OfferedFactor(
        factor_id=factor.id,
        type=factor.type,
        name=factor.name,
        destination=factor.contact.masked if factor.contact else None,
        next_send_at=next_send_at if factor.channel is not None else None,
        strength=STRENGTHS[factor.type],
        advice=ADVICE.get(factor.type),
    )
