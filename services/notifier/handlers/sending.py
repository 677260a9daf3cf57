"""One message: opened, put into words, handed to its provider. No transaction is open meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from services.notifier.deps import Deps
from services.notifier.domain.delivery import Misconfigured, Refused, SendOutcome
from services.notifier.handlers.wording import notice_of
from services.notifier.queries.deliveries import Claimed, Delivery
from shared.contracts.notifications import Code, Notice, Notification
from shared.contracts.types import Channel
from shared.crypto.keyring import UnknownKey
from shared.crypto.sealing import BrokenSeal, contact_place, unseal
from shared.secret import Secret

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempted:
    """How an attempt ended, and what was sent: in a sandbox its developers read that."""

    outcome: SendOutcome
    content: Mapping[str, str | None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A delivery that can be read."""

    to: Secret[str]
    notification: Notification
    notice: Notice
    code: str | None = field(repr=False)


async def send(claimed: Claimed, deps: Deps) -> Attempted:
    """Try once. What nobody will ever be able to read is refused; what lacks a key waits for it."""
    delivery = claimed.delivery
    try:
        opened = _open(claimed, deps)
    except (BrokenSeal, ValueError) as error:
        log.error("delivery_unreadable", delivery_id=str(delivery.delivery_id), error=error)
        return Attempted(Refused(code="unreadable", is_permanent=True))
    except UnknownKey as error:
        log.error("key_missing", delivery_id=str(delivery.delivery_id), error=error)
        return Attempted(Misconfigured(reason="key_missing"))
    match delivery.channel:
        case Channel.EMAIL:
            return await _send_email(claimed, opened, deps)
        case Channel.SMS:
            return await _send_sms(claimed, opened, deps)


def _open(claimed: Claimed, deps: Deps) -> _Opened:
    """Raises `BrokenSeal`, `UnknownKey`, and `ValueError` where the parameters are not the notification's."""
    delivery = claimed.delivery
    place = contact_place(delivery.tenant_id, delivery.account_id, delivery.channel.value)
    to = unseal(deps.seal, delivery.destination, place)
    notice = notice_of(claimed, deps)
    return _Opened(
        to=to,
        notification=Notification(delivery.notification),
        notice=notice,
        code=notice.code if isinstance(notice, Code) else None,
    )


async def _send_email(claimed: Claimed, opened: _Opened, deps: Deps) -> Attempted:
    delivery = claimed.delivery
    mail = deps.renderer.render_email(
        opened.notification, delivery.language, opened.notice, time_zone=delivery.time_zone
    )
    outcome = await deps.senders(is_sandbox=claimed.is_sandbox).send_email(
        mail,
        to=opened.to,
        delivery_id=delivery.delivery_id,
        sender_name=claimed.setting("from_name") or claimed.tenant_name,
    )
    content = {"to": opened.to.reveal(), "subject": mail.subject, "text": mail.text, "code": opened.code}
    return Attempted(outcome, content)


async def _send_sms(claimed: Claimed, opened: _Opened, deps: Deps) -> Attempted:
    delivery = claimed.delivery
    text = deps.renderer.render_sms(opened.notification, delivery.language, opened.notice, time_zone=delivery.time_zone)
    outcome = await deps.senders(is_sandbox=claimed.is_sandbox).send_sms(
        text,
        to=opened.to,
        callback=_callback(delivery, deps),
        sender=claimed.setting("sms_sender"),
        validity=delivery.not_after - claimed.now if delivery.not_after else None,
    )
    content = {"to": opened.to.reveal(), "subject": None, "text": text, "code": opened.code}
    return Attempted(outcome, content)


def _callback(delivery: Delivery, deps: Deps) -> str:
    query = f"tenant={delivery.tenant_id}&delivery={delivery.delivery_id}"
    return f"{deps.public_url}/v1/callbacks/twilio?{query}"
