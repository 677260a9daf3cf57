"""A caller of the API, for tests of the gateway alone."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from services.gateway.api.auth import KeyScope
from services.gateway.queries.api_keys import insert_key
from shared.crypto.api_keys import api_key_digest, api_key_hint, new_api_key
from shared.ids import new_id
from shared.secret import Secret
from tests.support.eventually import eventually

EVERY_SCOPE = tuple(KeyScope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any

    @property
    def code(self) -> str | None:
        """Of a problem document."""
        return self.json.get("code") if isinstance(self.json, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One key of one tenant."""

    session: aiohttp.ClientSession
    url: str
    tenant_id: UUID
    key: Secret[str] | None

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """One request. POSTs get an Idempotency-Key of their own, unless `idempotency_key` is given; "" sends none."""
        sent = {"Authorization": f"Bearer {self.key.reveal()}"} if self.key else {}
        chosen = str(new_id()) if idempotency_key is None else idempotency_key
        if method == "POST" and chosen:
            sent["Idempotency-Key"] = chosen
        if raw is not None:
            sent["Content-Type"] = "application/json"
        given = {"data": raw} if raw is not None else {"json": body} if body is not None else {}
        async with self.session.request(
            method, self.url + path, headers={**sent, **(headers or {})}, allow_redirects=False, **given
        ) as response:
            text = await response.text()
            is_json = response.content_type.endswith("json")
            return Answer(
                status=response.status,
                headers=response.headers,
                text=text,
                json=await response.json(content_type=None) if is_json else None,
            )

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """As `call`, but on a machine that is too slow just now the same request is sent again, as a backend does."""
        more["idempotency_key"] = more.get("idempotency_key") or str(new_id())
        return await eventually(
            lambda: self.call(method, path, body, **more), lambda answer: answer.code != "unavailable"
        )


async def store_key(
    dsn: str,
    tenant_id: UUID,
    *,
    scopes: Sequence[str] = EVERY_SCOPE,
    is_sandbox: bool = True,
    expires_at: dt.datetime | None = None,
) -> Secret[str]:
    """A key, made as an operator makes one."""
    key = new_api_key(is_sandbox)
    conn = await asyncpg.connect(dsn)
    try:
        await insert_key(
            conn,
            tenant_id=tenant_id,
            key_id=new_id(),
            digest=api_key_digest(key.reveal()),
            name="tests",
            hint=api_key_hint(key),
            scopes=scopes,
            expires_at=expires_at,
        )
    finally:
        await conn.close()
    return key
