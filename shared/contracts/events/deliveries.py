"""What became of codes and notices under way."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.types import ChallengeId, Channel, DeliveryId, FactorId, RecoveryId


class CodeEvent(Event):
    """What all events of a code's delivery say; `destination` is masked."""

    delivery_id: DeliveryId
    channel: Channel
    destination: str
    challenge_id: ChallengeId | None = None
    factor_id: FactorId | None = None


class CodeSent(CodeEvent):
    type = "code.sent"


class CodeDelivered(CodeEvent):
    type = "code.delivered"


class CodeUndeliverable(CodeEvent):
    type = "code.undeliverable"

    reason: str


class CodeExpired(CodeEvent):
    """The code's time was over before a provider took it: it was never sent."""

    type = "code.expired"


class NotificationEvent(Event):
    """What all events of another notification's delivery say; `destination` is masked."""

    delivery_id: DeliveryId
    notification: str
    channel: Channel
    destination: str
    recovery_id: RecoveryId | None = None


class NotificationSent(NotificationEvent):
    type = "notification.sent"


class NotificationDelivered(NotificationEvent):
    type = "notification.delivered"


class NotificationUndeliverable(NotificationEvent):
    type = "notification.undeliverable"

    reason: str


class NotificationExpired(NotificationEvent):
    type = "notification.expired"


class NoticeDisputed(Event):
    """The person said of what a notice told "this was not me"; `is_repeated`: not for the first time within an hour."""

    type = "notice.disputed"

    delivery_id: DeliveryId
    notification: str
    channel: Channel
    happened_at: dt.datetime | None = None
    said_at: dt.datetime | None = None  # when the notice was handed in; tenant time
    recovery_id: RecoveryId | None = None
    is_repeated: bool = False
