"""The gateway without the services that decide: what it answers by itself, and how it ends."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import aiohttp
from pydantic import SecretStr

from services.gateway.app import serve
from services.gateway.settings import GatewaySettings
from shared.clock import monotonic
from tests.support.api_client import Client, store_key
from tests.support.eventually import eventually
from tests.support.lone_gateway import fetch, outbox
from tests.support.tenants import new_tenant


async def test_no_answer_in_time_is_a_503_within_the_budget(client: Client) -> None:
    """Fail closed and say so: no verdict within 2.5 s is neither yes nor no."""
    took: list[float] = []
    while not took or (min(took) > 5.0 and len(took) < 3):  # half of that is the machine's, which may slow one of them
        started = monotonic()
        answer = await client.call("POST", "/v1/logins", {"account_id": "ada", "first_factor": {"method": "password"}})
        took.append(monotonic() - started)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert 2.0 < min(took) < 5.0


async def test_the_tenant_is_read_and_replaced_with_an_event(client: Client, dsn: str) -> None:
    """Settings reach mails and SMS, so a change of them is on the record."""
    before = await client.call("GET", "/v1/tenant")
    assert (before.json["name"], before.json["is_sandbox"]) == ("Acme Helpdesk", True)
    body = {"name": "Acme", "colour": "#aa0000", "languages": ["de"], "countries": ["DE"]}
    after = await client.call("PUT", "/v1/tenant", body)
    assert after.status == 200
    again = await client.call("PUT", "/v1/tenant", body)
    assert again.json == after.json == (await client.call("GET", "/v1/tenant")).json
    said = await outbox(dsn, client.tenant_id)
    assert [(kind, data["changed"]) for kind, data in said if kind == "tenant.changed"] == [
        ("tenant.changed", ["colour", "languages", "countries", "name"])
    ]


async def test_request_ids_are_taken_over_if_they_are_harmless(client: Client) -> None:
    """They go into logs and headers."""
    kept = await client.call("GET", "/v1/tenant", headers={"X-Request-Id": "trace-7.a"})
    replaced = await client.call("GET", "/v1/tenant", headers={"X-Request-Id": "x" * 65})
    assert kept.headers["X-Request-Id"] == "trace-7.a"
    assert UUID(replaced.headers["X-Request-Id"]).version == 7


async def test_the_documents_are_served(client: Client) -> None:
    """What an integrator opens first: without a key, without a script, without another host."""
    stranger = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
    document = await stranger.call("GET", "/openapi.json")
    assert document.json["openapi"] == "3.1.0"
    assert (await stranger.call("GET", "/asyncapi.json")).json["asyncapi"] == "3.0.0"
    page = await stranger.call("GET", "/docs")
    assert "/v1/logins" in page.text
    assert "/asyncapi.json" in page.text
    assert "<script" not in page.text
    problem = await stranger.call("GET", "/problems/code-wrong")
    assert (problem.status, "attempts_left" in problem.text) == (200, True)
    assert (await stranger.call("GET", "/problems/no-such")).status == 404
    assert (await stranger.call("GET", "/.well-known/jwks.json")).json == {"keys": []}
    assert (await stranger.call("GET", "/healthz")).status == 200
    assert "deskfactor_http_request_duration_seconds" in (await stranger.call("GET", "/metrics")).text


async def test_the_published_keys_are_those_of_otp_worker(client: Client, dsn: str) -> None:
    """A helpdesk checks assertions with them (RFC 7517, RFC 8037)."""
    await fetch(dsn, "INSERT INTO otp.assertion_keys (key_id, public_key) VALUES ('k1', $1)", bytes(32))
    answer = await client.call("GET", "/.well-known/jwks.json")
    await fetch(dsn, "DELETE FROM otp.assertion_keys")
    assert answer.json == {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": "A" * 43}]
    }


async def test_requests_in_flight_are_finished_when_the_gateway_leaves(
    dsn: str, key_dir: Path, session: aiohttp.ClientSession
) -> None:
    """A deployment must not cost anybody a login."""
    tenant_id = await new_tenant(dsn)
    key = await store_key(dsn, tenant_id)
    async with serve(GatewaySettings(database_url=SecretStr(dsn), key_dir=key_dir, port=0)) as leaving:
        client = Client(session=session, url=leaving.url, tenant_id=tenant_id, key=key)
        request = asyncio.create_task(client.call("GET", "/v1/policy"))
        await until_asked(dsn, tenant_id)
    answer = await request
    assert (answer.status, answer.code) == (503, "unavailable")
    assert leaving.core.health.is_ready is False


async def until_asked(dsn: str, tenant_id: UUID) -> None:
    """A request of the tenant waits on a lane."""
    await eventually(
        lambda: fetch(dsn, "SELECT body FROM bus.requests"),
        lambda rows: any(json.loads(row["body"])["tenantid"] == str(tenant_id) for row in rows),
    )
