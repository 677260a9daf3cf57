"""The gateway without the services that decide: who calls, what a key may do, and how keys are made."""

import asyncio
import datetime as dt

import pytest

from services.gateway.api.auth import KeyScope
from services.gateway.app import Serving
from shared.clock import host_now
from shared.secret import Secret
from tests.support.api_client import Client, store_key
from tests.support.lone_gateway import ADA, NOBODYS, fetch, key_with, outbox
from tests.support.tenants import new_tenant


async def test_requests_without_a_good_key_are_all_answered_alike(client: Client) -> None:
    """A caller who guesses must not learn what was wrong with the guess."""
    answers = []
    for authorization in (None, "Bearer", "Bearer nonsense", f"Bearer df_live_{'x' * 49}", "Basic YTpi"):
        headers = {"Authorization": authorization} if authorization else {}
        stranger = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
        answer = await stranger.call("GET", "/v1/tenant", headers=headers)
        answers.append((answer.status, answer.code, answer.headers["WWW-Authenticate"], answer.json["detail"]))
    assert set(answers) == {(401, "unauthorized", "Bearer", answers[0][3])}


async def test_an_expired_key_is_refused_and_says_so(client: Client, dsn: str) -> None:
    """Its owner has to know what to do; whoever holds the key knows that it existed."""
    expired = await key_with(client, dsn, *KeyScope, expires_at=host_now() - dt.timedelta(seconds=1))
    answer = await expired.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (401, "key_expired")


async def test_a_key_that_expires_while_it_is_remembered_is_refused(client: Client, dsn: str) -> None:
    """Found keys are remembered for seconds: that must not lengthen their life."""
    for seconds in (1, 2, 4, 8):  # the first of them in which a busy machine remembers it at all
        expires_at = host_now() + dt.timedelta(seconds=seconds)
        soon = await key_with(client, dsn, *KeyScope, expires_at=expires_at)
        if (await soon.call("GET", "/v1/tenant")).status == 200:
            break
    else:
        pytest.fail("a good key was refused")
    while host_now() <= expires_at:
        await soon.call("GET", "/v1/tenant")  # remembered to the end
        await asyncio.sleep(0.05)
    answer = await soon.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (401, "key_expired")


async def test_a_suspended_tenant_is_kept_out(client: Client, dsn: str) -> None:
    """Suspending has to end what its keys may do."""
    await fetch(dsn, "UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1", client.tenant_id)
    answer = await client.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (403, "tenant_suspended")


async def test_a_key_without_the_scope_is_refused_before_anything_is_read(client: Client, dsn: str) -> None:
    """A key of the login page must not be able to change policy, nor to learn what a valid policy is."""
    logins = await key_with(client, dsn, KeyScope.LOGINS)
    answer = await logins.call("PUT", "/v1/policy", {"nonsense": True})
    assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_role_sso_and_active_need_a_stronger_key(client: Client, dsn: str) -> None:
    """They decide who must have a second factor."""
    writer = await key_with(client, dsn, KeyScope.ACCOUNTS_WRITE)
    for member in ({"role": "customer"}, {"sso": True}, {"active": False}):
        answer = await writer.call("PUT", ADA, member)
        assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_a_key_made_through_the_api_works_until_it_is_revoked(client: Client, dsn: str) -> None:
    """Keys are replaced without the operator."""
    body = {"name": "Backend", "scopes": ["logins", "keys"]}
    made = await client.call("POST", "/v1/api-keys", body)
    assert made.status == 201
    assert made.json["key"].startswith("df_test_")
    new = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=Secret(made.json["key"]))
    assert (await new.call("GET", "/v1/tenant")).status == 200
    listed = await new.call("GET", "/v1/api-keys")
    assert made.json["key"] not in listed.text
    assert made.json["id"] in {key["id"] for key in listed.json["data"]}
    assert (await client.call("DELETE", f"/v1/api-keys/{made.json['id']}")).status == 200
    assert (await new.call("GET", "/v1/tenant")).status == 401
    assert (await client.call("DELETE", f"/v1/api-keys/{made.json['id']}")).code == "key_not_found"
    assert [kind for kind, _ in await outbox(dsn, client.tenant_id)] == ["api_key.created", "api_key.revoked"]


async def test_no_key_makes_a_stronger_one(client: Client, dsn: str) -> None:
    """A leaked key with the scope `keys` must not become an admin's."""
    keys = await key_with(client, dsn, KeyScope.KEYS)
    answer = await keys.call("POST", "/v1/api-keys", {"name": "x", "scopes": ["keys", "admin"]})
    assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_a_key_that_may_not_read_the_feed_sends_it_nowhere(client: Client, dsn: str) -> None:
    """A webhook endpoint hears what the feed says: it must not be the way around the scope of the feed."""
    admin = await key_with(client, dsn, KeyScope.ADMIN)
    for method, path, body in (
        ("POST", "/v1/webhook-endpoints", {"url": "https://desk.acme.example/"}),
        ("PATCH", f"/v1/webhook-endpoints/{NOBODYS}", {"url": "https://desk.acme.example/"}),
        ("PATCH", f"/v1/webhook-endpoints/{NOBODYS}", {"events": ["*"]}),
    ):
        answer = await admin.call(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_the_same_idempotency_key_makes_one_api_key(client: Client, dsn: str) -> None:
    """Also when the two requests come at the same moment; with another body it is refused."""
    body = {"name": "Backend", "scopes": ["logins"]}
    both = await asyncio.gather(*(client.call("POST", "/v1/api-keys", body, idempotency_key="once") for _ in range(2)))
    assert both[0].json == both[1].json
    other = await client.call("POST", "/v1/api-keys", {**body, "name": "Other"}, idempotency_key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    rows = await fetch(dsn, "SELECT name FROM gateway.api_keys WHERE tenant_id = $1", client.tenant_id)
    assert sorted(row["name"] for row in rows) == ["Backend", "tests"]


async def test_another_tenants_key_is_not_found(client: Client, dsn: str, gateway: Serving) -> None:
    """Ids of another tenant do not exist."""
    other = await new_tenant(dsn)
    stranger = Client(session=client.session, url=gateway.url, tenant_id=other, key=await store_key(dsn, other))
    mine = (await client.call("GET", "/v1/api-keys")).json["data"][0]["id"]
    answer = await stranger.call("DELETE", f"/v1/api-keys/{mine}")
    assert (answer.status, answer.code) == (404, "key_not_found")
    assert (await client.call("GET", "/v1/tenant")).status == 200


async def test_live_tenants_have_no_sandbox(client: Client, dsn: str, gateway: Serving) -> None:
    """Nobody moves a live tenant's clock or reads its messages."""
    live = await new_tenant(dsn, is_sandbox=False)
    key = await store_key(dsn, live, is_sandbox=False)
    caller = Client(session=client.session, url=gateway.url, tenant_id=live, key=key)
    moved = await caller.call("POST", "/v1/sandbox/clock", {"advance_seconds": 60})
    read = await caller.call("GET", "/v1/sandbox/messages")
    assert (moved.status, moved.code) == (read.status, read.code) == (403, "not_a_sandbox")
