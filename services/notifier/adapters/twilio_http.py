"""The HTTP client under Twilio's SDK.

The SDK's own waits without end whatever its timeout says, posts again after a 503, warns at every request and drops
Retry-After; its exceptions repeat the number that was written to. This one does one bounded request and reports an
answer that is no success as `Answered`, which holds a status, a code and a wait.
"""

import datetime as dt
import json
import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

_SUCCESS: Final = range(200, 300)
_LONGEST_WAIT: Final = 3600  # seconds; a Retry-After beyond is taken for this
_LARGEST_ANSWER: Final = 64 * 1024  # bytes; Twilio's are about 1 KiB


class Answered(Exception):
    """Twilio answered, and not with success."""

    def __init__(self, status: int, code: int | None, retry_after: dt.timedelta | None) -> None:
        super().__init__(f"status {status}, code {code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Unreadable(Exception):
    """A success whose body is not a message of Twilio's: a proxy's page, or half an answer."""


class TwilioHttp(AsyncHttpClient):  # type: ignore[misc] # the SDK has no types
    """Sends what the SDK asks for to ``base_url``, over a session that the caller owns."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, timeout: aiohttp.ClientTimeout) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._session = session
        self._base = urlsplit(base_url)
        self._timeout = timeout

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> Response:
        """One request, never repeated, redirects not followed. ``timeout`` is the sender's, not the SDK's.

        Raises `Answered`, `Unreadable`, `aiohttp.ClientError`, `TimeoutError`.
        """
        async with self._session.request(
            method,
            self._rebased(uri),
            params=params,
            data=data,
            headers={**(headers or {}), **_authorisation(auth)},
            timeout=self._timeout,
            allow_redirects=False,
        ) as answer:
            body = (await answer.content.read(_LARGEST_ANSWER)).decode("utf-8", "replace")
            if answer.status not in _SUCCESS:
                raise Answered(answer.status, _code(body), _retry_after(answer.headers.get("Retry-After")))
            if not isinstance(_document(body).get("sid"), str):
                raise Unreadable
            return Response(answer.status, body, answer.headers)

    def _rebased(self, uri: str) -> str:
        path = urlsplit(uri)
        base = self._base
        return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + path.path, path.query, ""))


def _authorisation(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(*auth)}


def _document(body: str) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _code(body: str) -> int | None:
    code = _document(body).get("code")
    return code if isinstance(code, int) else None


def _retry_after(value: str | None) -> dt.timedelta | None:
    """Seconds only (RFC 9110, 10.2.3 allows a date too; Twilio sends none)."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return dt.timedelta(seconds=min(int(value[:9]), _LONGEST_WAIT))
