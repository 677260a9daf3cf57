"""The one secret of a hosted page's browser, in a cookie, and all that is made of it.

Nothing of it is stored but a SHA-256. What is made of it twice is the same, so a form that is sent again, a reload and
the back button lead to the same answer, and a crash in between leaves nothing to repair.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from aiohttp import hdrs, web

from services.gateway.queries.prompt_sessions import LASTS_FOR
from shared.contracts.types import ChallengeId, Context
from shared.crypto.digests import token_digest
from shared.secret import Secret

_VALUE = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16}")
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_LONGEST_USER_AGENT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """What a browser holds: which tenant's session, and the proof that it is its own."""

    tenant_id: UUID
    session_id: UUID
    secret: Secret[str]

    @classmethod
    def new(cls, tenant_id: UUID, session_id: UUID) -> Self:
        """With 256 random bits."""
        return cls(tenant_id=tenant_id, session_id=session_id, secret=Secret(secrets.token_urlsafe(32)))

    @classmethod
    def of(cls, request: web.Request, session_id: UUID, *, is_secure: bool) -> Self | None:
        """The one that asks, if it has a cookie of this session; whether it is right, the database says."""
        found = _VALUE.fullmatch(request.cookies.get(_name(session_id, is_secure=is_secure), ""))
        if found is None:
            return None
        return cls(tenant_id=UUID(found[1]), session_id=session_id, secret=Secret(found[2]))

    @property
    def digest(self) -> bytes:
        """As the session's row holds it."""
        return token_digest(self.secret.reveal())

    def keep(self, response: web.Response, *, is_secure: bool) -> None:
        """Give the cookie. Its name is the session's own: two tabs do not take each other's away.

        ``Lax``, because the browser comes from the helpdesk's site; where a form comes from, its token says. Without
        ``is_secure``, on a loopback address, the prefix ``__Host-`` (RFC 6265bis, 4.1.3.2) would be refused.
        """
        response.set_cookie(
            _name(self.session_id, is_secure=is_secure),
            f"{self.tenant_id.hex}.{self.secret.reveal()}",
            max_age=int(LASTS_FOR.total_seconds()),
            path="/",
            secure=is_secure,
            httponly=True,
            samesite="Lax",
        )

    def form_token(self) -> str:
        """What a form of this session holds, and nobody else can know."""
        return self._made("form")

    def is_own_form(self, token: str | None) -> bool:
        """In constant time."""
        return hmac.compare_digest((token or "").encode(), self.form_token().encode())

    def redeem_code(self, challenge_id: ChallengeId) -> str:
        """The code that this browser takes home, whenever it is asked for."""
        return self._made("redeem", str(challenge_id))

    def redeem_digest(self, challenge_id: ChallengeId) -> str:
        """That code's SHA-256, in hexadecimal."""
        return token_digest(self.redeem_code(challenge_id)).hex()

    def request_key(self, *parts: str) -> str:
        """The Idempotency-Key of what a form asks for: the same for the same form with the same content."""
        return f"prompt.{self._made('request', *parts)}"

    def _made(self, use: str, *parts: str) -> str:
        mac = hmac.new(self.secret.reveal().encode(), digestmod=hashlib.sha256)
        for part in (use, self.session_id.hex, *parts):
            encoded = part.encode()
            mac.update(len(encoded).to_bytes(4, "big") + encoded)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def new_nonce() -> str:
    """What tells one showing of a form from the next."""
    return secrets.token_urlsafe(12)


def read_nonce(text: str | None) -> str | None:
    """One of ours, by its form."""
    return text if text is not None and _NONCE.fullmatch(text) else None


def comes_from_here(request: web.Request) -> bool:
    """Whether the browser says that a page of ours sent the form (Fetch Metadata, 2.3); an old one says nothing."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


def context_of(request: web.Request) -> Context:
    """What a trusted device is named after. The address is the proxy's, and says nothing."""
    agent = _NOT_SHOWN.sub(" ", request.headers.get(hdrs.USER_AGENT, ""))[:_LONGEST_USER_AGENT]
    return Context(user_agent=agent or None)


def _name(session_id: UUID, *, is_secure: bool) -> str:
    return f"{'__Host-' if is_secure else ''}prompt-{session_id.hex}"
