"""What tests of the API do again and again: a tenant, its people, their factors and codes, the clock."""

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import Any

import aiohttp
import pyotp

from services.gateway.app import Serving
from shared.clock import host_now
from tests.support.api_client import Answer, Client, store_key
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

PASSWORD = {"method": "password"}


async def caller(dsn: str, api: Serving, session: aiohttp.ClientSession) -> Client:
    """A fresh sandbox tenant."""
    tenant_id = await new_tenant(dsn)
    return Client(session=session, url=api.url, tenant_id=tenant_id, key=await store_key(dsn, tenant_id))


async def good(client: Client, method: str, path: str, body: object = None) -> Any:
    """The document of a request that must succeed."""
    answer = await client.ask(method, path, body)
    assert answer.status < 300, (method, path, answer.status, answer.text)
    return answer.json


async def put(client: Client, account_id: str) -> None:
    """An agent with a verified address."""
    body = {"role": "agent", "email": f"{account_id}@acme.example", "email_verified": True}
    await good(client, "PUT", f"/v1/accounts/{account_id}", body)


async def code_of(client: Client, account_id: str, *, after: int = 0) -> str:
    """The newest code that a sandbox's account was sent, past the first `after` messages."""

    def has_code(answer: Answer) -> bool:
        return any(message["code"] for message in answer.json["data"][after:])

    path = f"/v1/sandbox/messages?account_id={account_id}"
    answer = await eventually(lambda: client.call("GET", path), has_code)
    codes: list[str] = [message["code"] for message in answer.json["data"][after:] if message["code"]]
    return codes[-1]


async def enrol_by_mail(client: Client, account_id: str) -> None:
    """Make mail the account's first factor."""
    made = await good(client, "POST", f"/v1/accounts/{account_id}/factors", {"type": "email"})
    path = f"/v1/accounts/{account_id}/factors/{made['factor']['id']}/confirm"
    await good(client, "POST", path, {"code": await code_of(client, account_id)})


class Clock:
    """A sandbox's time, as far as a test has moved it."""

    def __init__(self) -> None:
        self._ahead = dt.timedelta()

    @property
    def now(self) -> dt.datetime:
        """Tenant time."""
        return host_now() + self._ahead

    async def move(self, client: Client, ahead: dt.timedelta) -> None:
        """Let time pass."""
        await good(client, "POST", "/v1/sandbox/clock", {"advance_seconds": int(ahead.total_seconds())})
        self._ahead += ahead


@dataclass(frozen=True, slots=True)
class Authenticator:
    """An app with an active seed."""

    factor_id: str
    seed: str
    backup_codes: tuple[str, ...]

    def at(self, now: dt.datetime) -> str:
        """What it shows."""
        return pyotp.TOTP(self.seed).at(now)


async def enrol_authenticator(client: Client, account_id: str, *, now: dt.datetime | None = None) -> Authenticator:
    """An agent whose first factor is an app; the code of the current step is used up."""
    await put(client, account_id)
    path = f"/v1/accounts/{account_id}/factors"
    made = await good(client, "POST", path, {"type": "totp"})
    factor_id, seed = made["factor"]["id"], made["totp"]["seed"]
    code = pyotp.TOTP(seed).at(now or host_now())
    confirmed = await good(client, "POST", f"{path}/{factor_id}/confirm", {"code": code})
    return Authenticator(factor_id, seed, tuple(confirmed["backup_codes"]))


async def login(client: Client, account_id: str, **more: object) -> Any:
    """The challenge of a login with the right password."""
    answer = await good(client, "POST", "/v1/logins", {"account_id": account_id, "first_factor": PASSWORD, **more})
    assert answer["decision"] == "challenge", answer
    return answer["challenge"]


def wrong_codes(seed: str, now: dt.datetime, count: int) -> list[str]:
    """Codes that an app with this seed never shows around now: not even the hint about a clock fits them."""
    app = pyotp.TOTP(seed)
    near = {app.at(now, counter_offset=offset) for offset in range(-20, 21)}
    far = (f"{number:06}" for number in range(271_828, 1_000_000))
    return list(itertools.islice((code for code in far if code not in near), count))
