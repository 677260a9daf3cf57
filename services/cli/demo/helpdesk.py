"""The backend of a helpdesk, as an integrator would write it: HTTP, an API key, an Idempotency-Key a request."""

import asyncio
import datetime as dt
import math
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
import jwt

from shared.clock import host_now, monotonic
from shared.ids import new_id
from shared.secret import Secret

Json = dict[str, Any]

TIMEOUT = aiohttp.ClientTimeout(total=10)
PATIENCE = 15.0  # seconds during which what is unavailable is asked for again


class Unexpected(Exception):
    """The service did something else than the story says. The text holds no secret."""


class Helpdesk:
    """One tenant's backend; its people's mailboxes are at ``domain``. Entered and left as a context manager."""

    def __init__(self, base_url: str, api_key: Secret[str], *, domain: str = "acme.example") -> None:
        self.domain = domain
        self._base_url = base_url
        self._api_key = api_key
        self._session: aiohttp.ClientSession | None = None
        self._clock_offset = dt.timedelta()

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._api_key.reveal()}"}
        self._session = aiohttp.ClientSession(self._base_url, headers=headers, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def now(self) -> dt.datetime:
        """Tenant time, as far as this backend moved the clock itself."""
        return host_now() + self._clock_offset

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Json, Mapping[str, str]]:
        """One request as it is: status, document, headers."""
        if self._session is None:
            raise RuntimeError("the helpdesk is not open")
        headers = {"Idempotency-Key": key or str(new_id())} if method == "POST" else {}
        async with self._session.request(method, path, json=body, headers=headers) as response:
            is_json = response.content_type.endswith("json")
            document = await response.json(content_type=None) if is_json else {"text": await response.text()}
            return response.status, document, response.headers

    async def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Json, Mapping[str, str]]:
        """As `send`, but a 503 is asked again when it says so, with the same key: nothing is done twice."""
        key, end = key or str(new_id()), monotonic() + PATIENCE
        while True:
            status, document, headers = await self.send(method, path, body, key=key)
            if status != HTTPStatus.SERVICE_UNAVAILABLE or monotonic() > end:
                return status, document, headers
            await asyncio.sleep(int(headers.get("Retry-After", "1")))

    async def call(
        self, method: str, path: str, body: object = None, *, expect: int = HTTPStatus.OK, key: str | None = None
    ) -> Json:
        """One request that must be answered with ``expect``. Raises `Unexpected`."""
        status, document, _ = await self.ask(method, path, body, key=key)
        if status != expect:
            told = document.get("code") or document.get("title") or "no problem document"
            raise Unexpected(f"{method} {path}: {status} {told}, wanted {int(expect)}")
        return document

    async def refused(self, method: str, path: str, body: object, code: str) -> Json:
        """One request that must be refused with this code. Raises `Unexpected`."""
        status, document, _ = await self.ask(method, path, body)
        if status < HTTPStatus.BAD_REQUEST or document.get("code") != code:
            raise Unexpected(f"{method} {path}: {status} {document.get('code')}, wanted the refusal {code}")
        return document

    async def login(self, account_id: str, **more: object) -> Json:
        """Ask whether the account may in, its first factor having been right."""
        body = {"account_id": account_id, "first_factor": {"method": "password"}, **more}
        return await self.call("POST", "/v1/logins", body)

    async def verify(self, challenge: Json, **answer: object) -> Json:
        """A person's answer to a challenge; it must be right."""
        return await self.call("POST", f"/v1/challenges/{challenge['id']}/verify", answer)

    async def move_clock(self, advance: dt.timedelta) -> None:
        """Let a sandbox tenant's time pass: so long, rounded up to whole seconds."""
        seconds = math.ceil(advance.total_seconds())
        await self.call("POST", "/v1/sandbox/clock", {"advance_seconds": seconds})
        self.moved(dt.timedelta(seconds=seconds))

    def moved(self, advance: dt.timedelta) -> None:
        """Note that the tenant's clock was moved."""
        self._clock_offset += advance

    async def check_assertion(self, assertion: str, *, account_id: str, challenge_id: str | None) -> Json:
        """Check a signed assertion (JWT, RFC 7519) against the published keys. Raises `Unexpected`.

        A trusted device's has no challenge, so no nonce.
        """
        document = await self.call("GET", "/.well-known/jwks.json")
        header = jwt.get_unverified_header(assertion)
        found = [key for key in document["keys"] if key["kid"] == header["kid"]]
        if not found:
            raise Unexpected("the assertion's key is not published")
        try:
            claims: Json = jwt.decode(
                assertion,
                jwt.PyJWK(found[0]),
                algorithms=["EdDSA"],
                options={"verify_aud": False, "require": ["exp", "sub", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise Unexpected(f"the assertion does not verify: {type(error).__name__}") from None
        if claims["sub"] != account_id or claims.get("nonce") != challenge_id:
            raise Unexpected("the assertion is about another login")
        return claims
