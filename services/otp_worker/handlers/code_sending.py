"""A code on its way: made, digested for us, sealed for the notifier, and said in one command."""

from dataclasses import dataclass, replace

from services.otp_worker.adapters.codes import code_digest, new_code, seal_for_notifier
from services.otp_worker.announcements import Cause, say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.sending import Send, SentCode
from services.otp_worker.handlers.changes import Changes
from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, Contact, DeliveryId, FactorId
from shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a code goes; `factor_id` None: the mailbox that the challenge offers."""

    channel: Channel
    contact: Contact
    factor_id: FactorId | None = None


def destination_of(factor: Factor) -> Destination | None:
    """Where this factor's codes go; None: it computes its own."""
    if factor.channel is None or factor.contact is None:
        return None
    return Destination(channel=factor.channel, contact=factor.contact, factor_id=factor.id)


def mailbox_of(challenge: Challenge) -> Destination | None:
    """The mailbox that the challenge offers."""
    return Destination(channel=Channel.EMAIL, contact=challenge.mailbox) if challenge.mailbox is not None else None


def send_code(
    cause: Cause, deps: Deps, changes: Changes, account: Account, challenge: Challenge, to: Destination, send: Send
) -> Challenge:
    """Add a new code to ``changes``; returns the challenge as it is then. The caller stores that one."""
    code = new_code()
    sent = SentCode(
        id=new_id(),
        factor_id=to.factor_id,
        digest=code_digest(deps.digests, code, challenge.id, challenge.purpose),
        created_at=account.now,
        expires_at=send.expires_at,
    )
    changes.codes.append((account.tenant_id, challenge.id, sent))
    changes.keep(account, replace(changes.accounts.get(account.key, account.state), budget=send.budget))
    sealed = seal_for_notifier(deps.notifier, code, account.tenant_id, account.id, sent.id)
    command = _command(account, challenge, to, sent, code=sealed, params=_params(deps, account, challenge, send))
    changes.say([say(cause, account, command)])
    return replace(challenge, sends=send.sends, next_send_at=send.next_send_at, sent_to=to.factor_id)


def _command(
    account: Account, challenge: Challenge, to: Destination, sent: SentCode, *, code: str, params: dict[str, object]
) -> SendEmail | SendSms:
    """The code's id is its delivery's; the code itself is sealed."""
    kind = SendEmail if to.channel is Channel.EMAIL else SendSms
    return kind(
        delivery_id=DeliveryId(sent.id),
        notification=Notification.CODE,
        destination=to.contact,
        language=account.language,
        time_zone=account.time_zone,
        params=params,
        code=code,
        not_after=sent.expires_at,
        challenge_id=challenge.id,
        factor_id=to.factor_id,
        recovery_id=challenge.recovery_id,
    )


def _params(deps: Deps, account: Account, challenge: Challenge, send: Send) -> dict[str, object]:
    params: dict[str, object] = {
        "tenant_name": account.tenant_name,
        "minutes": send.minutes(account.now),
        "domain": account.domain or deps.public_host,
        "purpose": challenge.purpose.value,
    }
    return params | ({"tenant_colour": account.tenant_colour} if account.tenant_colour else {})
