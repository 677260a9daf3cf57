"""May a challenge that was passed on a hosted page be redeemed: `verified → redeemed` (challenge.md).

The code of the redemption is no second factor: who has it had the browser that passed. Here is judged whether what
passed is worth something still.
"""

from collections.abc import Collection

from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import MAILBOX, Challenge
from services.otp_worker.domain.enrolment import still_proves
from services.otp_worker.domain.factor import Factor
from shared.contracts.types import ChallengeState, Method, Purpose


def is_redeemable(challenge: Challenge, account: Account, held: Collection[Factor]) -> bool:
    """Whether the account may in on it. A reset, a factor's end or "this was not me" may have come in between."""
    return (
        account.is_active
        and challenge.state is ChallengeState.VERIFIED
        and challenge.verified_by not in (None, MAILBOX)
        and still_proves(challenge, account.state, held)
    )


def vouched_purpose(challenge: Challenge) -> Purpose:
    """What the assertion is for: an enrolment inside a login is that login's second factor."""
    return Purpose.SIGN_IN if challenge.purpose is Purpose.ENROLMENT else challenge.purpose


def passed_by(challenge: Challenge) -> Method:
    """How a redeemable challenge was passed."""
    return Method(str(challenge.verified_by))
