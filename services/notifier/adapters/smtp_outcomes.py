"""What an SMTP failure means for the mail (RFC 5321, 4.2; RFC 3463). Server texts name the recipient: none is kept."""

import enum
import re
import ssl
from typing import Final

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from services.notifier.domain.delivery import Misconfigured, Refused, SendOutcome, Unknown

_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_AUTHENTICATION: Final = frozenset({530, 534, 535, 538})  # RFC 4954, 6
_TOO_LARGE: Final = 552  # RFC 1870, 6: about this mail, not about its sender


class Stage(enum.Enum):
    """How far an exchange came."""

    CONNECTING = enum.auto()  # greeting, EHLO, STARTTLS, AUTH: nothing about this mail yet
    ENVELOPE = enum.auto()  # MAIL, RCPT
    DATA = enum.auto()  # the server may have the mail


def outcome_of(error: SMTPException | OSError, stage: Stage) -> SendOutcome:
    """The outcome of an exchange that ended in ``error`` at ``stage``."""
    if isinstance(error, SMTPResponseException):
        return _answered(error, stage)
    if stage is Stage.DATA:
        return Unknown(reason=_word(error))
    if (fault := _tls_fault(error)) is not None:
        return fault
    if isinstance(error, OSError):  # connects, disconnects and timeouts of the library are OSErrors too
        return Refused(code=_word(error), is_permanent=False)
    return Misconfigured(reason="starttls_or_auth_not_offered")


def _answered(error: SMTPResponseException, stage: Stage) -> SendOutcome:
    if error.code in _AUTHENTICATION:
        return Misconfigured(reason="authentication")
    match error.code // 100:
        case 4:
            return Refused(code=_code(error), is_permanent=False)
        case 5:
            return _rejected(error, stage)
        case _ if stage is Stage.DATA:
            return Unknown(reason="bad_answer")
        case _:
            return Refused(code="bad_answer", is_permanent=False)


def _rejected(error: SMTPResponseException, stage: Stage) -> SendOutcome:
    """A 5xx. What is about us and not about this mail or this recipient would kill every mail: it stops the channel."""
    if isinstance(error, SMTPAuthenticationError):
        return Misconfigured(reason="authentication")
    if stage is Stage.CONNECTING:
        return Misconfigured(reason="not_welcome")
    if isinstance(error, SMTPSenderRefused) and error.code != _TOO_LARGE:
        return Misconfigured(reason="sender_refused")
    if isinstance(error, SMTPRecipientRefused) and "relay" in error.message.lower():
        return Misconfigured(reason="relaying_denied")
    return Refused(code=_code(error), is_permanent=True)


def _tls_fault(error: BaseException) -> Misconfigured | None:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    match cause:
        case ssl.SSLCertVerificationError():
            return Misconfigured(reason="tls_certificate")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():  # hung up during the handshake: an outage, not a setting
            return None
        case ssl.SSLError():
            return Misconfigured(reason="tls_handshake")
        case _:
            return None


def _code(error: SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[1]}" if enhanced else str(error.code)


def _word(error: Exception) -> str:
    match error:
        case SMTPTimeoutError() | TimeoutError():
            return "timeout"
        case SMTPServerDisconnected():
            return "disconnected"
        case _:
            return "connect"
