"""A server that speaks Twilio's Messages API and sends its delivery receipts, signed."""

import asyncio
import datetime as dt
import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Final, Self

import aiohttp
from aiohttp import web

from services.cli.simulators.arrivals import Arrivals
from services.cli.simulators.guard import is_loopback_url, require_safe
from services.cli.simulators.twilio_receipts import Receipt, ReceiptPoster
from services.cli.simulators.twilio_script import (
    BAD_CREDENTIALS,
    Behaviour,
    FailAfterSending,
    Garble,
    Hang,
    HangUp,
    Reject,
    refusal_of,
)
from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret

_CLOSE_TIMEOUT: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSms:
    """One message that was taken. ``sender`` is a number, a name or a messaging service's id."""

    sid: str
    to: str = field(repr=False)
    sender: str
    body: str = field(repr=False)
    status_callback: str | None
    validity_period: int | None  # seconds
    at: dt.datetime


class TwilioSimulator:
    """An HTTP server on a free port of 127.0.0.1; a context manager, or `start` and `stop`, again and again.

    `then` sets what goes wrong with the next messages, to anybody or to one number, one each; `undeliverable` is the
    error code that the receipts of later messages end with, instead of "delivered".
    """

    def __init__(self, *, account_sid: str, auth_token: Secret[str], host: str = "127.0.0.1", port: int = 0) -> None:
        require_safe(host)
        self.host = host
        self.port = port
        self.requests = 0
        self.undeliverable: int | None = None
        self._account_sid = account_sid
        self._auth = aiohttp.encode_basic_auth(account_sid, auth_token.reveal())
        self._script: deque[tuple[str | None, Behaviour]] = deque()
        self._arrivals: Arrivals[ReceivedSms] = Arrivals()
        self._receipts = ReceiptPoster(account_sid, auth_token)
        self._is_over = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where the API is, instead of ``https://api.twilio.com``."""
        return f"http://{self.host}:{self.port}"

    @property
    def messages(self) -> list[ReceivedSms]:
        """What was taken, oldest first."""
        return self._arrivals.all

    async def wait_for(self, predicate: Callable[[ReceivedSms], bool], timeout: float = 30.0) -> ReceivedSms:
        """The first message that satisfies ``predicate``; `TimeoutError` after so many seconds."""
        return await self._arrivals.wait_for(predicate, timeout)

    async def wait_for_receipt(self, predicate: Callable[[Receipt], bool], timeout: float = 30.0) -> Receipt:
        """The first posted receipt that satisfies ``predicate``; `TimeoutError` after so many seconds."""
        return await self._receipts.posted.wait_for(predicate, timeout)

    def then(self, *behaviours: Behaviour, to: str | None = None) -> None:
        """Do these with the next messages, to one number or to any, one each; after them everything is well again."""
        self._script.extend((to, behaviour) for behaviour in behaviours)

    async def start(self) -> None:
        """Listen; after a `stop` on the same port as before."""
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", self._create_message)
        self._is_over.clear()
        self._runner = web.AppRunner(app, shutdown_timeout=_CLOSE_TIMEOUT, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port, forget receipts not yet posted."""
        if self._runner is None:
            return
        self._is_over.set()
        await self._receipts.stop()
        await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _create_message(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if not hmac.compare_digest(request.headers.get("Authorization", ""), self._auth):
            return _rejected(BAD_CREDENTIALS)
        if request.match_info["sid"] != self._account_sid:
            return _rejected(Reject(404, 20404))
        form = {name: str(value) for name, value in (await request.post()).items()}
        sms = _sms(form)
        behaviour = self._next_for(sms.to)
        if isinstance(behaviour, Reject):
            return _rejected(behaviour)
        if (refusal := refusal_of(to=sms.to, sender=sms.sender, body=sms.body)) is not None:
            return _rejected(refusal)
        if sms.status_callback is not None and not is_loopback_url(sms.status_callback):
            return _rejected(Reject(400, 21609))
        await self._arrivals.add(sms)
        if sms.status_callback is not None:
            self._receipts.begin(
                sid=sms.sid, to=sms.to, sender=sms.sender, url=sms.status_callback, error=self.undeliverable
            )
        return await self._answer(behaviour, sms, request)

    def _next_for(self, number: str) -> Behaviour | None:
        """What is to go wrong with a message to a number."""
        for at, (to, behaviour) in enumerate(self._script):
            if to in (None, number):
                del self._script[at]
                return behaviour
        return None

    async def _answer(
        self, behaviour: FailAfterSending | Hang | HangUp | Garble | None, sms: ReceivedSms, request: web.Request
    ) -> web.StreamResponse:
        match behaviour:
            case None:
                return web.json_response(self._resource(sms), status=201)
            case FailAfterSending(status=status):
                return web.Response(status=status, text="<h1>upstream failure</h1>", content_type="text/html")
            case Garble():
                return web.Response(status=200, text="<h1>welcome to the hotel</h1>", content_type="text/html")
            case Hang():
                await self._is_over.wait()
                return web.Response(status=503)
            case HangUp():
                if request.transport is not None:
                    request.transport.close()
                return web.Response(status=503)

    def _resource(self, sms: ReceivedSms) -> dict[str, object]:
        is_service = sms.sender.startswith("MG")
        path = f"/2010-04-01/Accounts/{self._account_sid}/Messages/{sms.sid}"
        return {
            "sid": sms.sid,
            "account_sid": self._account_sid,
            "messaging_service_sid": sms.sender if is_service else None,
            "api_version": "2010-04-01",
            "status": "accepted" if is_service else "queued",
            "direction": "outbound-api",
            "to": sms.to,
            "from": None if is_service else sms.sender,
            "body": sms.body,
            "num_segments": "0" if is_service else "1",
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
            "date_created": format_datetime(sms.at),
            "date_updated": format_datetime(sms.at),
            "date_sent": None,
            "uri": f"{path}.json",
            "subresource_uris": {"media": f"{path}/Media.json"},
        }


def _sms(form: dict[str, str]) -> ReceivedSms:
    validity = form.get("ValidityPeriod", "")
    return ReceivedSms(
        sid=f"SM{new_id().hex}",
        to=form.get("To", ""),
        sender=form.get("MessagingServiceSid") or form.get("From", ""),
        body=form.get("Body", ""),
        status_callback=form.get("StatusCallback"),
        validity_period=int(validity) if validity.isdigit() else None,
        at=host_now(),
    )


def _rejected(rejection: Reject) -> web.Response:
    headers = {} if rejection.retry_after is None else {"Retry-After": str(rejection.retry_after)}
    return web.json_response(
        {
            "code": rejection.code,
            "message": f"refused with code {rejection.code}",
            "more_info": f"https://www.twilio.com/docs/errors/{rejection.code}",
            "status": rejection.status,
        },
        status=rejection.status,
        headers=headers,
    )
