"""RabbitMQ's users over its management HTTP API (3.10 to 4.x), or as the commands that do the same."""

import base64
import hashlib
import json
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import aiohttp
from yarl import URL

from shared.messaging.rabbitmq import names
from shared.secret import Secret

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)  # seconds
MOST_CONNECTIONS = 20  # of one tenant
MOST_CHANNELS = 100
_PASSWORD_BYTES = 32
_SALT_BYTES = 4


class ManagementRefused(Exception):
    """The management API does not do it; the text holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one tenant may on one virtual host: write to the ingress, read its own queue, make nothing."""

    tenant_id: UUID
    vhost: str

    @property
    def username(self) -> str:
        """Whom the tenant signs in as."""
        return names.username_of(self.tenant_id)

    @property
    def permissions(self) -> Mapping[str, str]:
        """Patterns of names of queues and exchanges; that of the default exchange is `amq.default`."""
        return {
            "configure": "^$",
            "write": _only(names.INGRESS_EXCHANGE),
            "read": _only(names.out_queue_of(self.tenant_id)),
        }

    @property
    def limits(self) -> Mapping[str, int]:
        """Of one tenant, so that its fault is not everybody's."""
        return {"max-connections": MOST_CONNECTIONS, "max-channels": MOST_CHANNELS}


def new_password() -> Secret[str]:
    """256 random bits."""
    return Secret(secrets.token_urlsafe(_PASSWORD_BYTES))


def vhost_of(amqp_url: str) -> str:
    """The virtual host in an AMQP address, as the client reads it."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


def password_hash(password: Secret[str]) -> str:
    """As RabbitMQ keeps it (`rabbit_password_hashing_sha256`), so that the password itself travels nowhere."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.reveal().encode()).digest()).decode()


def commands_to_grant(grant: Grant, password: Secret[str], *, is_new: bool) -> list[str]:
    """What an administrator types at the broker. The password goes by standard input: others see the arguments."""
    username, vhost = shlex.quote(grant.username), shlex.quote(grant.vhost)
    verb = "add_user" if is_new else "change_password"
    patterns = " ".join(shlex.quote(grant.permissions[kind]) for kind in ("configure", "write", "read"))
    return [
        f"printf '%s\\n' {shlex.quote(password.reveal())} | rabbitmqctl {verb} {username}",
        f"rabbitmqctl set_permissions -p {vhost} {username} {patterns}",
        f"rabbitmqctl set_user_limits {username} {shlex.quote(json.dumps(dict(grant.limits)))}",
    ]


def commands_to_revoke(grant: Grant) -> list[str]:
    """What an administrator types at the broker."""
    return [f"rabbitmqctl delete_user {shlex.quote(grant.username)}"]


class Management:
    """The API at one address."""

    def __init__(self, url: Secret[str]) -> None:
        """``url``: with an administrator's name and password."""
        self._url = url.reveal().rstrip("/")

    async def is_there(self, grant: Grant) -> bool:
        """Whether the tenant has its name at the broker."""
        return await self._call("GET", self._own("users", grant)) is not HTTPStatus.NOT_FOUND

    async def set_password(self, grant: Grant, password: Secret[str]) -> None:
        """Make the name, or give it another password."""
        body = {
            "password_hash": password_hash(password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        }
        await self._call("PUT", self._own("users", grant), body)

    async def permit(self, grant: Grant) -> None:
        """Set permissions and limits; again is harmless."""
        await self._call("PUT", self._own(f"permissions/{quote(grant.vhost, safe='')}", grant), grant.permissions)
        for name, value in grant.limits.items():
            await self._call("PUT", f"{self._own('user-limits', grant)}/{name}", {"value": value})

    async def remove(self, grant: Grant) -> bool:
        """End the name and its connections; False when there was none."""
        return await self._call("DELETE", self._own("users", grant)) is not HTTPStatus.NOT_FOUND

    def _own(self, kind: str, grant: Grant) -> str:
        return f"{self._url}/api/{kind}/{quote(grant.username, safe='')}"

    async def _call(self, method: str, url: str, body: Mapping[str, object] | None = None) -> HTTPStatus:
        """One request. Raises `ManagementRefused`, `ConnectionError`."""
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT, requote_redirect_url=False) as session,
                session.request(method, _verbatim(url), json=body, allow_redirects=False) as response,
            ):
                status = HTTPStatus(response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(type(error).__name__) from None
        is_absent = status is HTTPStatus.NOT_FOUND and method != "PUT"
        if status >= HTTPStatus.MULTIPLE_CHOICES and not is_absent:
            raise ManagementRefused(f"The broker's management API refuses: {status.value} {status.phrase}")
        return status


def _only(name: str) -> str:
    """The pattern of one name."""
    return f"^{name.replace('.', '[.]')}$"


def _verbatim(url: str) -> URL:
    """As it is: `%2F`, the default virtual host, must stay one part of the path."""
    return URL(url, encoded=True)
