"""Sends SMS through Twilio's Messages API, by its SDK.

By the SDK's client alone, not by its `client.messages`: at its first use that imports the 90 modules of Twilio's whole
API, which took 70 ms in which no other login moved, and 11 MiB for good.
"""

import datetime as dt
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp
from twilio.rest import Client

from services.notifier.adapters.twilio_codes import outcome_of
from services.notifier.adapters.twilio_http import Answered, TwilioHttp, Unreadable
from services.notifier.domain.delivery import Accepted, Misconfigured, Refused, SendOutcome, Unknown
from services.notifier.settings import is_loopback
from shared.secret import Secret

_MESSAGING_SERVICE: Final = "MG"  # prefix of a messaging service's id; anything else is a number or a name
_MESSAGES: Final = (
    "https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Messages.json"  # `base_url` takes its place
)
_SHORTEST_VALIDITY: Final = 1  # seconds; Twilio takes 1 to 36,000
_LONGEST_VALIDITY: Final = 36_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """Whose account sends. `base_url` leads to Twilio, or to the simulator; `timeout` bounds the whole request."""

    account_sid: str
    auth_token: Secret[str]
    base_url: str = "https://api.twilio.com"
    timeout: dt.timedelta = dt.timedelta(seconds=10)
    connections: int = 16

    def __post_init__(self) -> None:
        """Raises `ValueError` for a token that would travel readable."""
        url = urlsplit(self.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
            raise ValueError("Twilio's base URL needs https")


class TwilioSender:
    """Hands texts to Twilio; entered and left as a context manager. Safe for concurrent use, tries nothing again."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        settings = self._settings
        total = settings.timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.connections), cookie_jar=aiohttp.DummyCookieJar()
        )
        self._client = Client(
            settings.account_sid,
            settings.auth_token.reveal(),
            # Connecting gets half of the time: what runs out of it is known not to have been sent.
            http_client=TwilioHttp(
                self._session, settings.base_url, aiohttp.ClientTimeout(total=total, connect=total / 2)
            ),
            # Not the process's: TWILIO_EDGE and TWILIO_REGION there would send the texts elsewhere.
            environment={"TWILIO_ACCOUNT_SID": settings.account_sid},
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = self._client = None

    async def send(
        self,
        text: str,
        *,
        to: Secret[str],
        sender: str,
        status_callback: str | None = None,
        validity: dt.timedelta | None = None,
    ) -> SendOutcome:
        """Hand one text over.

        `to` is E.164; `sender` a number, a name, or a messaging service's id. Receipts go to `status_callback`, a
        public URL. A text that waits at Twilio longer than `validity` is dropped there, so that no dead code arrives.
        """
        if self._client is None:
            raise RuntimeError("send outside of the sender's context")
        form = {
            "To": to.reveal(),
            "Body": text,
            "MessagingServiceSid" if sender.startswith(_MESSAGING_SERVICE) else "From": sender,
        }
        if status_callback is not None:
            form["StatusCallback"] = status_callback
        if validity is not None:
            seconds = int(validity.total_seconds())
            form["ValidityPeriod"] = str(min(max(seconds, _SHORTEST_VALIDITY), _LONGEST_VALIDITY))
        messages = _MESSAGES.format(account_sid=self._settings.account_sid)
        try:
            answer = await self._client.request_async("POST", messages, data=form)
        except Answered as refused:
            return outcome_of(refused.status, refused.code, refused.retry_after)
        except Unreadable:
            return Unknown(reason="unreadable_answer")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _unanswered(error)
        return Accepted(provider_id=json.loads(answer.text)["sid"])


def _unanswered(error: Exception) -> SendOutcome:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Misconfigured(reason="tls")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Refused(code="connect", is_permanent=False)
        case TimeoutError():
            return Unknown(reason="timeout")
        case _:
            return Unknown(reason="disconnected")
