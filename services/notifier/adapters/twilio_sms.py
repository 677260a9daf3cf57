"""Sends SMS through Twilio's Messages API, by its SDK."""

import asyncio
import datetime as dt
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
        # The SDK imports its Messages API at first use, for 70 ms in which no other login would move.
        await asyncio.to_thread(getattr, self._client, "messages")
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
        origin = {"messaging_service_sid" if sender.startswith(_MESSAGING_SERVICE) else "from_": sender}
        optional = {} if status_callback is None else {"status_callback": status_callback}
        if validity is not None:
            seconds = int(validity.total_seconds())
            optional["validity_period"] = str(min(max(seconds, _SHORTEST_VALIDITY), _LONGEST_VALIDITY))
        try:
            message = await self._client.messages.create_async(to=to.reveal(), body=text, **origin, **optional)
        except Answered as answer:
            return outcome_of(answer.status, answer.code, answer.retry_after)
        except Unreadable:
            return Unknown(reason="unreadable_answer")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _unanswered(error)
        return Accepted(provider_id=message.sid)


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
