"""What Twilio's refusals mean for an SMS (its error and warning dictionary).

Three kinds: this number will never get this text; nothing will be sent until an operator acts; come again.
"""

import datetime as dt
from http import HTTPStatus
from typing import Final

from services.notifier.domain.delivery import Misconfigured, Refused, SendOutcome, Unknown

_PERMANENT: Final = frozenset(
    {
        21211,  # not a valid number
        21214,  # the number cannot be reached
        21217,  # not a phone number
        21408,  # the account may not send to this country
        21610,  # the person answered STOP
        21612,  # no route from this sender to this number
        21614,  # not a mobile number
        21617,  # the text is too long
        21635,  # a landline
        30003,  # unreachable handset
        30004,  # blocked by the person or the carrier
        30005,  # unknown number
        30006,  # a landline, or a carrier out of reach
        30007,  # filtered as unwanted
    }
)
_MISCONFIGURED: Final = frozenset(
    {
        20003,  # wrong credentials
        20005,  # the account is not active
        20008,  # test credentials
        20404,  # no such account
        21212,  # the sender is not a valid number
        21603,  # no sender
        21606,  # the sender is not ours, or cannot send SMS
        21608,  # a trial account sends to verified numbers only
        21609,  # the receipts URL is not valid
        21659,  # the sender is not a number of Twilio's
        21660,  # the sender belongs to another account
        21703,  # the messaging service has no number
        30002,  # the account is suspended
        30034,  # the sender is not registered for the United States
    }
)
_TEMPORARY: Final = frozenset(
    {
        20429,  # too many requests
        21611,  # the sender's queue is full
        30001,  # the queue is full
        30008,  # no reason known
        30022,  # a rate limit of the carrier
        63038,  # the day's limit of the account
    }
)
_NOT_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


def outcome_of(status: int, code: int | None, retry_after: dt.timedelta | None = None) -> SendOutcome:
    """The outcome of an HTTP answer that is not a success. ``code`` is Twilio's, when the body had one."""
    name = str(code if code is not None else status)
    if code in _PERMANENT:
        return Refused(code=name, is_permanent=True)
    if code in _MISCONFIGURED or status in _NOT_OURS:
        return Misconfigured(reason=name)
    if code in _TEMPORARY or status in _LATER:
        return Refused(code=name, is_permanent=False, retry_after=retry_after)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # there is no idempotency key: it may have failed after the sending
        return Unknown(reason=name)
    if status < HTTPStatus.BAD_REQUEST:
        return Misconfigured(reason="redirected")
    return Refused(code=name, is_permanent=True)


def is_permanent(code: int) -> bool:
    """Whether a receipt's error code says that this number will never get this text."""
    return code in _PERMANENT
