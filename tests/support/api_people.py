"""What tests of the API do again and again: a tenant, its people, their factors and codes."""

from typing import Any

import aiohttp

from services.gateway.app import Serving
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
    answer = await client.call(method, path, body)
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
