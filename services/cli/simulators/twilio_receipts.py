"""Delivery receipts as Twilio posts them: queued, sent, delivered or undelivered; signed, one after the other."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from services.cli.simulators.arrivals import Arrivals
from shared.secret import Secret

_POST_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_MOST_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One receipt that was posted. ``answered`` is the HTTP status that came back, ``None`` when none did."""

    sid: str
    status: str
    answered: int | None


def signature(url: str, params: Mapping[str, str], token: Secret[str]) -> str:
    """X-Twilio-Signature: the URL, then each field's name and value in order of the names; HMAC-SHA-1, base64."""
    signed = url + "".join(name + params[name] for name in sorted(params))
    digest = hmac.new(token.reveal().encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


class ReceiptPoster:
    """Posts the receipts of each message in a task of its own; a receipt that nobody takes is not posted again."""

    def __init__(self, account_sid: str, token: Secret[str]) -> None:
        self.posted: Arrivals[Receipt] = Arrivals()
        self._account_sid = account_sid
        self._token = token
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)

    def begin(self, *, sid: str, to: str, sender: str, url: str, error: int | None) -> None:
        """Post the receipts of one message to ``url``; with ``error`` the last is "undelivered"."""
        common = {
            "MessageSid": sid,
            "SmsSid": sid,
            "AccountSid": self._account_sid,
            "From": sender,
            "To": to,
            "ApiVersion": "2010-04-01",
        }
        task = asyncio.create_task(self._post_all(url, common, error))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Post no more."""
        tasks = list(self._tasks)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _post_all(self, url: str, common: Mapping[str, str], error: int | None) -> None:
        async with self._slots, aiohttp.ClientSession(timeout=_POST_TIMEOUT) as session:
            for status in ("queued", "sent", "delivered" if error is None else "undelivered"):
                params = {**common, "MessageStatus": status, "SmsStatus": status}
                if status == "undelivered":
                    params["ErrorCode"] = str(error)
                answered = await self._post(session, url, params)
                await self.posted.add(Receipt(sid=common["MessageSid"], status=status, answered=answered))

    async def _post(self, session: aiohttp.ClientSession, url: str, params: Mapping[str, str]) -> int | None:
        headers = {"X-Twilio-Signature": signature(url, params, self._token)}
        try:
            async with session.post(url, data=params, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None
