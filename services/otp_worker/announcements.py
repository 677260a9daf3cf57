"""What is said of each decision: verdicts in, envelopes out. Nothing here decides."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from services.otp_worker.domain.account import Account
from services.otp_worker.domain.backup_code import LOW, Kind
from services.otp_worker.domain.challenge import Challenge, Failure
from services.otp_worker.domain.expiry import ExpiredChallenge, ExpiredFactor
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.login import LoginVerdict
from services.otp_worker.domain.trusted_device import TrustedDevice
from shared.contracts import events
from shared.contracts.commands import ProveMailbox, StartEnrolment
from shared.contracts.envelope import Envelope, Event, Message, N, begin
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import (
    SYSTEM,
    ChallengeId,
    Contact,
    Context,
    Decision,
    DeviceId,
    FactorId,
    FactorType,
    Method,
    Purpose,
)
from shared.ids import new_id
from shared.rules.notices import addressee, notices

SOURCE = "/otp_worker"

Cause = Envelope[Message]
Said = list[Envelope[Message]]


def say(cause: Cause, account: Account, data: N) -> Envelope[N]:
    """A message about an account, at its tenant's time."""
    return cause.follow(data, source=SOURCE, at=account.now, account_id=account.id)


def login_decided(
    cause: Cause,
    account: Account,
    verdict: LoginVerdict,
    *,
    purpose: Purpose,
    challenge: Challenge | None,
    context: Context,
) -> Envelope[events.LoginDecided]:
    """The answer to a login, also for whoever published it without waiting for one.

    A login that came as an event is answered under that event's id, the only one that its helpdesk knows.
    """
    said = say(
        cause,
        account,
        events.LoginDecided(
            purpose=purpose,
            decision=verdict.decision,
            reason=verdict.reason,
            challenge_id=challenge.id if challenge else None,
            expires_at=challenge.expires_at if challenge else None,
            deadline=verdict.deadline,
            ip=context.ip,
        ),
    )
    return dataclasses.replace(said, causation_id=cause.causation_id or cause.id)


def login_of_nobody(cause: Cause, *, purpose: Purpose, context: Context) -> Envelope[events.LoginDecided]:
    """The answer to a login that came as an event, for an account that nobody has put here. Under no account: there is
    none whose entries it could be among.
    """
    denied = events.LoginDecided(
        purpose=purpose, decision=Decision.DENY, reason=RefusalCode.ACCOUNT_NOT_FOUND.value, ip=context.ip
    )
    said = cause.follow(denied, source=SOURCE, at=cause.time)
    return dataclasses.replace(said, account_id=None, causation_id=cause.causation_id or cause.id)


def challenge_issued(cause: Cause, account: Account, challenge: Challenge) -> Envelope[events.ChallengeIssued]:
    """A challenge is open."""
    issued = events.ChallengeIssued(
        challenge_id=challenge.id, purpose=challenge.purpose, expires_at=challenge.expires_at
    )
    return say(cause, account, issued)


def challenge_verified(
    cause: Cause, account: Account, challenge: Challenge, method: Method, factor_id: FactorId | None = None
) -> Envelope[events.ChallengeVerified]:
    """A challenge was passed."""
    verified = events.ChallengeVerified(
        challenge_id=challenge.id,
        purpose=challenge.purpose,
        method=method,
        factor_id=factor_id,
        recovery_id=challenge.recovery_id,
    )
    return say(cause, account, verified)


def challenge_redeemed(cause: Cause, account: Account, challenge: Challenge) -> Envelope[events.ChallengeRedeemed]:
    """The helpdesk has heard that a challenge was passed on a hosted page."""
    return say(cause, account, events.ChallengeRedeemed(challenge_id=challenge.id, purpose=challenge.purpose))


def mailbox_proved(cause: Cause, account: Account, contact: Contact | None) -> Said:
    """A code came back from this address. Policy hears of it where that is news: the account's own, not proved yet."""
    own = account.email
    if contact is None or own is None or own.digest != contact.digest or account.email_proved_at is not None:
        return []
    return [say(cause, account, ProveMailbox(digest=contact.digest))]


def code_failed(
    cause: Cause,
    account: Account,
    challenge: Challenge,
    failure: Failure,
    *,
    reason: str,
    factor_id: FactorId | None,
) -> Said:
    """A counted failure; ``challenge`` is as it was before."""
    rejected = events.ChallengeRejected(
        challenge_id=challenge.id,
        purpose=challenge.purpose,
        reason=reason,
        factor_id=factor_id,
        attempts_left=failure.attempts_left,
    )
    said: Said = [say(cause, account, rejected)]
    if failure.is_exhausted:
        exhausted = events.ChallengeExhausted(challenge_id=challenge.id, purpose=challenge.purpose)
        said.append(say(cause, account, exhausted))
    return said


def challenge_cancelled(
    cause: Cause, account: Account, cancelled: Iterable[tuple[ChallengeId, Purpose]], reason: str
) -> Said:
    """Challenges that were ended before their time."""
    return [
        say(cause, account, events.ChallengeCancelled(challenge_id=challenge_id, purpose=purpose, reason=reason))
        for challenge_id, purpose in cancelled
    ]


def factor_revoked(cause: Cause, account: Account, factor: Factor, *, reason: str, is_last: bool) -> Said:
    """A factor is gone."""
    revoked = events.FactorRevoked(factor_id=factor.id, factor_type=factor.type, reason=reason, is_last=is_last)
    return [say(cause, account, revoked)]


def devices_revoked(cause: Cause, account: Account, devices: Iterable[DeviceId], reason: str) -> Said:
    """Trusts that ended."""
    return [
        say(cause, account, events.TrustedDeviceRevoked(device_id=device_id, reason=reason)) for device_id in devices
    ]


def codes_generated(cause: Cause, account: Account, kind: Kind, count: int) -> Said:
    """New codes of a kind are good; none where the policy makes none."""
    generated = events.BackupCodesGenerated(count=count, kind=Method(kind.value))
    return [say(cause, account, generated)] if count else []


def codes_notice(cause: Cause, account: Account, factors: Sequence[Factor], *, codes: int, has_key: bool) -> Said:
    """Tell that codes were made, in one text whether there are ten, a key, or both."""
    if not codes:
        return notice(cause, account, factors, Notification.RECOVERY_KEY_MADE)
    return notice(cause, account, factors, Notification.BACKUP_CODES_GENERATED, left=codes, has_key=has_key)


def recovery_key_used(cause: Cause, account: Account, factors: Sequence[Factor]) -> Said:
    """The recovery key is used up, and a new one is in its place: who did not see it should hear of it."""
    used = events.BackupCodesUsed(codes_left=1, kind=Method.RECOVERY_KEY)
    return [say(cause, account, used), *notice(cause, account, factors, Notification.RECOVERY_KEY_USED)]


def backup_code_used(cause: Cause, account: Account, factors: Sequence[Factor], codes_left: int) -> Said:
    """One backup code fewer; a warning, once, when few are left."""
    said: Said = [say(cause, account, events.BackupCodesUsed(codes_left=codes_left))]
    said += notice(cause, account, factors, Notification.BACKUP_CODE_USED, left=codes_left)
    if codes_left == LOW:
        said.append(say(cause, account, events.BackupCodesLow(codes_left=codes_left)))
        said += notice(cause, account, factors, Notification.BACKUP_CODES_LOW, left=codes_left)
    return said


def recovery_code_used(cause: Cause, account: Account, factors: Sequence[Factor]) -> Said:
    """Somebody came in with the code that an admin had made."""
    told = notice(cause, account, factors, Notification.RECOVERY_CODE_USED)
    return [say(cause, account, events.RecoveryCodeUsed()), *told]


def enrolment_begun(cause: Cause, account: Account, factor: Factor, asked: StartEnrolment) -> Said:
    """A pending factor is there; one that an admin set up has an owner who must hear of it."""
    approver = asked.acting.approver if asked.acting is not None else None
    enrolled = events.FactorEnrolled(
        factor_id=factor.id, factor_type=factor.type, reason=asked.reason, approver=approver
    )
    if asked.acting is None:
        return [say(cause, account, enrolled)]
    told = notice(cause, account, (), Notification.FACTOR_SET_UP, factor_type=factor.type)
    return [say(cause, account, enrolled), *told]


def factor_notice(
    cause: Cause, account: Account, factors: Sequence[Factor], notification: Notification, subject: Factor
) -> Said:
    """Tell that a factor came, went or was suspended; a removed one's address hears of it too."""
    return notice(
        cause, account, [*factors, subject], notification, factor_type=subject.type, factor_name=_line(subject.name)
    )


def device_trusted(cause: Cause, account: Account, factors: Sequence[Factor], device: TrustedDevice) -> Said:
    """A browser that is asked for no code from now on: its owner should know it."""
    added = events.TrustedDeviceAdded(device_id=device.id, expires_at=device.expires_at)
    params = {"device_name": device.name, "trusted_until": device.expires_at}
    return [say(cause, account, added), *notice(cause, account, factors, Notification.TRUSTED_DEVICE_ADDED, **params)]


def challenges_expired(expired: Iterable[ExpiredChallenge]) -> Said:
    """Challenges that ended by time."""
    return [
        _by_time(each, events.ChallengeExpired(challenge_id=each.challenge_id, purpose=each.purpose))
        for each in expired
    ]


def factors_expired(expired: Iterable[ExpiredFactor]) -> Said:
    """Pending factors that ended by time."""
    return [
        _by_time(each, events.FactorExpired(factor_id=each.factor_id, factor_type=each.factor_type)) for each in expired
    ]


def _by_time(each: ExpiredChallenge | ExpiredFactor, event: Event) -> Envelope[Message]:
    """Nobody caused it."""
    return begin(event, tenant_id=each.tenant_id, account_id=each.account_id, actor=SYSTEM, source=SOURCE, at=each.at)


def notice(
    cause: Cause, account: Account, factors: Sequence[Factor], notification: Notification, **params: object
) -> Said:
    """Tell the account on every channel: its own addresses, the replaced one, and those of its factors."""
    emails, phones = _destinations(factors)
    return _tell(cause, account, [*account.notice_emails, *emails], [account.phone, *phones], notification, params)


def notice_elsewhere(
    cause: Cause, account: Account, factors: Sequence[Factor], notification: Notification, **params: object
) -> Said:
    """Tell the addresses of factors that are not the account's own, which hear of it from policy."""
    own = {contact.digest for contact in (*account.notice_emails, account.phone) if contact is not None}
    emails, phones = _destinations(factors)
    others = [contact for contact in emails if contact.digest not in own]
    return _tell(cause, account, others, [each for each in phones if each.digest not in own], notification, params)


def _destinations(factors: Sequence[Factor]) -> tuple[list[Contact], list[Contact]]:
    """The proved mail addresses and numbers among them."""
    proved = [(factor.type, factor.contact) for factor in factors if factor.confirmed_at and factor.contact]
    return (
        [contact for kind, contact in proved if kind is FactorType.EMAIL],
        [contact for kind, contact in proved if kind is FactorType.SMS],
    )


def _tell(
    cause: Cause,
    account: Account,
    emails: Sequence[Contact],
    phones: Sequence[Contact | None],
    notification: Notification,
    params: Mapping[str, object],
) -> Said:
    to = addressee(
        emails=emails,
        phones=phones,
        language=account.language,
        time_zone=account.time_zone,
        tenant_name=account.tenant_name,
        tenant_colour=account.tenant_colour,
    )
    commands = notices(to, notification, {"happened_at": account.now, **params}, new_id=new_id)
    return [say(cause, account, command) for command in commands]


def _line(name: str) -> str:
    """A name as a subject may hold it: what starts another header falls out."""
    return "".join(character for character in name if character.isprintable())[:80] or "factor"
