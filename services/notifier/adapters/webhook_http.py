"""Posts an event to a tenant's own address. That address is anybody's text, and so is all that it answers.

Every socket goes through `_Guard`, at the moment when its address is final: a name is resolved once, by the connector,
and what is judged is what is connected to, so that a name that changes its mind meanwhile gains nothing (DNS
rebinding). Host and SNI stay those of the URL.
"""

import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from services.notifier.domain.address import may_reach
from services.notifier.domain.webhook import Answered, PostOutcome, Unanswered
from shared.clock import host_now
from shared.secret import Secret

TIMEOUT: Final = dt.timedelta(seconds=15)  # of the whole exchange; a lease is longer
_LONGEST_URL: Final = 2000
_CONTENT_TYPE: Final = "application/cloudevents+json"
_AGENT: Final = "Deskfactor-Webhooks/1"
_MOST_SECONDS: Final = 9  # digits of a Retry-After that are worth reading


class AddressRefused(OSError):
    """The address is none that anybody can reach. One text for all: the connector tells addresses by it."""

    def __init__(self) -> None:
        super().__init__("address refused")


class _Guard:
    """Makes the connector's sockets."""

    def __init__(self, *, is_loopback_allowed: bool) -> None:
        self._is_loopback_allowed = is_loopback_allowed

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for (family, type, protocol, canonical name, address). Raises `AddressRefused`."""
        family, kind, protocol, _, address = info
        if not may_reach(address[0], is_loopback_allowed=self._is_loopback_allowed):
            raise AddressRefused
        return socket.socket(family=family, type=kind, proto=protocol)


def is_acceptable(url: str, *, is_local: bool) -> bool:
    """Whether an endpoint may have this URL; what its name resolves to is judged at each connection.

    ``is_local``: of a sandbox tenant in development, where http to this machine is good as well.
    """
    try:
        parsed = URL(url)
    except ValueError:
        return False
    host = parsed.raw_host
    if len(url) > _LONGEST_URL or not url.isascii() or not host or parsed.raw_user or parsed.raw_password:
        return False
    if parsed.raw_fragment or parsed.explicit_port == 0:
        return False
    is_literal = ":" in host or host.replace(".", "").isdigit()
    is_here = host == "localhost" or (is_literal and not may_reach(host) and may_reach(host, is_loopback_allowed=True))
    if is_here:
        return is_local and parsed.scheme in ("http", "https")
    return parsed.scheme == "https" and (not is_literal or may_reach(host))


class WebhookPoster:
    """One world's way out, live or local. Entered and left as a context manager; safe for concurrent use."""

    def __init__(self, *, is_local: bool, connections: int, timeout: dt.timedelta = TIMEOUT) -> None:
        """``is_local``: this machine may be reached, and by http; ``timeout`` bounds a whole exchange."""
        self.is_local = is_local
        self._connections = connections
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        total = self._timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, socket_factory=_Guard(is_loopback_allowed=self.is_local)
            ),
            timeout=aiohttp.ClientTimeout(total=total),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # nobody reads it: a small answer must not become a large one
            trust_env=False,  # a proxy would connect in our place, to whatever it likes
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def post(self, url: Secret[str], *, body: bytes, headers: Mapping[str, str]) -> PostOutcome:
        """One request, never repeated; redirects are answers like any other. The answer's body is not read."""
        if self._session is None:
            raise RuntimeError("post outside of the poster's context")
        if not is_acceptable(url.reveal(), is_local=self.is_local):
            return Unanswered(reason="address_refused")  # it was acceptable once: the tenant's world has changed
        try:
            async with self._session.post(
                URL(url.reveal()),
                data=body,
                headers={"Content-Type": _CONTENT_TYPE, "User-Agent": _AGENT, **headers},
                allow_redirects=False,
            ) as answer:
                return Answered(status=answer.status, retry_after=_retry_after(answer.headers.get("Retry-After")))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Unanswered(reason=_word(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Posters:
    """The ways out of live tenants and of sandboxes. In production they are alike."""

    live: WebhookPoster
    sandbox: WebhookPoster

    def of(self, *, is_sandbox: bool) -> WebhookPoster:
        """A tenant's."""
        return self.sandbox if is_sandbox else self.live


@contextlib.asynccontextmanager
async def open_posters(
    is_development: bool,  # noqa: FBT001 - the one thing that they depend on
    *,
    connections: int,
) -> AsyncIterator[Posters]:
    """Both, for the length of the block."""
    async with (
        WebhookPoster(is_local=False, connections=connections) as live,
        WebhookPoster(is_local=is_development, connections=connections) as sandbox,
    ):
        yield Posters(live=live, sandbox=sandbox)


def _word(error: Exception) -> str:
    """Why, without a word of the other side's."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "tls"
        case aiohttp.ClientConnectorDNSError():
            return "name_not_resolved"
        case aiohttp.ClientConnectorError(os_error=AddressRefused()):
            return "address_refused"
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return "connect"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return "answer_unreadable"
        case _:
            return "disconnected"


def _retry_after(value: str | None) -> dt.timedelta | None:
    """Seconds or a date (RFC 9110, 10.2.3); anything else says nothing."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return dt.timedelta(seconds=int(value[:_MOST_SECONDS]))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(at - host_now(), dt.timedelta()) if at.tzinfo else None
