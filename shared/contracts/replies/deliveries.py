"""Answers about mail and SMS."""

import datetime as dt

from shared.contracts.types import Channel, DeliveryId, DeliveryState, Value


class DeliveryView(Value):
    """One delivery as its tenant sees it; `destination` is masked."""

    id: DeliveryId
    channel: Channel
    notification: str
    destination: str
    state: DeliveryState
    reason: str | None = None
    queued_at: dt.datetime
    ended_at: dt.datetime | None = None


class SentDelivery(DeliveryView):
    """A delivery, and where it went."""

    sealed: str


class SentDeliveries(Value):
    """Deliveries of an account, newest first; the newest thousand."""

    deliveries: tuple[SentDelivery, ...]


class DeliveriesView(Value):
    """Deliveries, oldest first."""

    deliveries: tuple[DeliveryView, ...]


class SandboxMessage(Value):
    """A message as its person would have seen it."""

    id: DeliveryId
    account_id: str
    channel: Channel
    notification: str
    to: str
    subject: str | None = None
    text: str
    code: str | None = None
    sent_at: dt.datetime


class SandboxMessages(Value):
    """Messages, oldest first."""

    messages: tuple[SandboxMessage, ...]
    has_more: bool


class NoticeView(Value):
    """A notice as the page behind its link shows it; `subject` and `happened_at` are in words, in `language`."""

    notification: str
    subject: str
    happened_at: str | None = None
    language: str
    tenant_name: str
    disputed_at: dt.datetime | None = None


class ReceiptAnswer(Value):
    """A provider's report was taken in, or was known already."""

    is_new: bool
