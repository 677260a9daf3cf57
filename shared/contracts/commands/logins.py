"""Logins and their challenges, to otp_worker."""

import datetime as dt

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.types import (
    ChallengeId,
    Contact,
    Context,
    FactorId,
    FirstFactor,
    Purpose,
    RecoveryId,
    RedeemDigest,
    Sealed,
)

_OTP_LOGINS = "otp_worker.logins"
_OTP_COMMANDS = "otp_worker.commands"


class StartLogin(Request):
    """The first factor was right: may this account in? Answer: `LoginAnswer`."""

    type = "start_login"
    lane = _OTP_LOGINS

    purpose: Purpose = Purpose.SIGN_IN
    first_factor: FirstFactor
    password_changed_at: dt.datetime | None = None
    trusted_device_token: Sealed | None = None  # typed_place(tenant, account id, "trusted_device_token")
    context: Context = Context()


class OfChallenge(Request):
    """What all requests about a challenge say."""

    challenge_id: ChallengeId

    @property
    def about(self) -> str | None:
        """See `Request`."""
        return str(self.challenge_id)


class VerifyCode(OfChallenge):
    """A code was typed at a challenge: is it right? Answer: `VerifyAnswer`.

    Exactly one of `code`, `backup_code`, `recovery_key`, `recovery_code`;
    sealed at ``typed_place(tenant, challenge id, "code")``.
    """

    type = "verify_code"
    lane = _OTP_LOGINS

    factor_id: FactorId | None = None
    code: Sealed | None = None
    backup_code: Sealed | None = None
    recovery_key: Sealed | None = None
    recovery_code: Sealed | None = None
    trust_device: bool = False
    context: Context = Context()
    redeem_digest: RedeemDigest | None = None  # typed on a hosted page: no assertion, the challenge can be redeemed

    @property
    def goes_alone(self) -> bool:
        """See `Request`. Backup codes, recovery keys and recovery codes are hashed slowly."""
        return self.code is None


class RenewRedemption(OfChallenge):
    """The browser that passed a challenge is back: its code is good for another minute. Answer: `Renewed`."""

    type = "renew_redemption"
    lane = _OTP_LOGINS

    redeem_digest: RedeemDigest


class RedeemChallenge(OfChallenge):
    """The helpdesk has the code that came with the browser. Answer: `RedeemAnswer` (holds the assertion).

    `code` is sealed at ``typed_place(tenant, challenge id, "redeem_code")``.
    """

    type = "redeem_challenge"
    lane = _OTP_LOGINS

    code: Sealed


class SendCode(OfChallenge):
    """Send (again) a code for a factor of an open challenge. Answer: `ChallengeView`."""

    type = "send_code"
    lane = _OTP_LOGINS

    factor_id: FactorId | None = None  # None: the mailbox, where the challenge offers it


class CancelChallenge(OfChallenge):
    """End an open challenge. Answer: `ChallengeView`."""

    type = "cancel_challenge"
    lane = _OTP_LOGINS


class ReadChallenge(OfChallenge):
    """How a challenge stands. Answer: `ChallengeView`."""

    type = "read_challenge"
    lane = _OTP_LOGINS


class CancelChallenges(Command):
    """The account signs in through SSO from now on, or not at all: what is under way ends. With `challenge_id` that
    one alone: what it was for is over.
    """

    type = "cancel_challenges"
    lane = _OTP_COMMANDS

    reason: str
    challenge_id: ChallengeId | None = None


class OpenRecoveryChallenge(Command):
    """Mail the code that proves the mailbox of a recovery request."""

    type = "open_recovery_challenge"
    lane = _OTP_COMMANDS

    recovery_id: RecoveryId
    challenge_id: ChallengeId
    mailbox: Contact


class RemoveUnusedFactors(Command):
    """The account signs in through SSO and has shown no factor since `unused_since` (tenant time): its factors end."""

    type = "remove_unused_factors"
    lane = _OTP_COMMANDS

    unused_since: dt.datetime
