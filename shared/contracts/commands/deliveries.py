"""Mail and SMS, and what became of them, to notifier."""

import datetime as dt
from typing import ClassVar

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.notifications import Notification
from shared.contracts.types import ChallengeId, Channel, Contact, DeliveryId, FactorId, RecoveryId, Sealed

_NOTIFIER_REQUESTS = "notifier.requests"


class Notify(Command):
    """Get a notification to a person over one channel; once, or twice when the provider's answer was lost.

    `params` are the notification's (`notifications.PARAMS`); a code travels in `code`, sealed at
    ``secret_param_place(tenant, account, delivery id)``; further parameters that hold a token (`cancel_url`,
    `download_url`) travel in `secrets`, a JSON object sealed at the same place. The link "this was not me" is the
    notifier's own and never travels. Never sent after `not_after`, which is tenant time.
    """

    delivery_id: DeliveryId
    notification: Notification
    destination: Contact
    language: str = "en"
    time_zone: str = "UTC"
    params: dict[str, object]
    code: Sealed | None = None
    secrets: Sealed | None = None
    not_after: dt.datetime | None = None
    challenge_id: ChallengeId | None = None
    factor_id: FactorId | None = None
    recovery_id: RecoveryId | None = None


class SendEmail(Notify):
    """`Notify` by e-mail."""

    type = "send_email"
    lane = "notifier.email"

    channel: ClassVar[Channel] = Channel.EMAIL


class SendSms(Notify):
    """`Notify` by SMS."""

    type = "send_sms"
    lane = "notifier.sms"

    channel: ClassVar[Channel] = Channel.SMS


class ReadSandboxMessages(Request):
    """What a sandbox tenant's people were sent, codes in clear. Answer: `SandboxMessages`."""

    type = "read_sandbox_messages"
    lane = _NOTIFIER_REQUESTS

    account_id: str | None = None
    after: DeliveryId | None = None
    limit: int = 50


class ReadDeliveriesOfAccount(Request):
    """What was sent to an account, newest first, destinations sealed to the notifier. Answer: `SentDeliveries`."""

    type = "read_deliveries_of_account"
    lane = _NOTIFIER_REQUESTS


class ReadDeliveries(Request):
    """The deliveries of a challenge's codes. Answer: `DeliveriesView`."""

    type = "read_deliveries"
    lane = _NOTIFIER_REQUESTS

    challenge_id: ChallengeId


class RecordReceipt(Request):
    """A provider reports on a delivery; genuine only if `signature` fits. Answer: `ReceiptAnswer`.

    `params` are the fields of the report, a JSON object sealed at ``typed_place(tenant, delivery id, "receipt")``: one
    of them is the full number.
    """

    type = "record_receipt"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    url: str
    params: Sealed
    signature: str


class ReadNotice(Request):
    """What a notice said, for whoever holds its link "this was not me". Answer: `NoticeView`."""

    type = "read_notice"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    token: Sealed  # ring seal.notifier, typed_place(tenant, delivery id, "token")


class DisputeNotice(Request):
    """The person says of what a notice told: this was not me. Answer: `NoticeView`."""

    type = "dispute_notice"
    lane = _NOTIFIER_REQUESTS

    delivery_id: DeliveryId
    token: Sealed  # as in `ReadNotice`
