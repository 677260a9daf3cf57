"""Another tenant's backend, a weaker key, a live key, and whoever signs things themselves."""

import datetime as dt
import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest
from twilio.request_validator import RequestValidator

from services.cli.demo.helpdesk import Helpdesk, Json, Unexpected
from services.cli.tenants import create_api_key, create_tenant
from services.gateway.api.auth import KeyScope, May
from services.gateway.api.route import Route
from services.gateway.api.routes import ROUTES
from services.notifier.adapters.senders import SANDBOX_TOKEN
from shared.ids import new_id
from tests.support.api_client import Client, store_key
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PASSWORD = {"method": "password"}
WITH_IDS = [route for route in ROUTES if set(route.parts) - {"account_id"}]
BODIES: Json = {
    "/v1/challenges/{challenge_id}/verify": {"code": "123456"},
    "/v1/accounts/{account_id}/factors/{factor_id}/confirm": {"code": "123456"},
    "/v1/accounts/{account_id}/factors/{factor_id}": {"name": "mine"},
    "/v1/accounts/{account_id}/recovery/{recovery_id}/deny": {"reason": "mine"},
    "/v1/webhook-endpoints/{endpoint_id}": {"enabled": True},
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """For callers with keys of their own."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def other_tenant(
    stack: Stack, session: aiohttp.ClientSession, *, is_sandbox: bool = True, scopes: tuple[KeyScope, ...] | None = None
) -> Client:
    """Somebody else's backend, with an account of the same id."""
    tenant_id = await create_tenant(stack.dsn, name="Another Helpdesk", is_sandbox=is_sandbox)
    key = await store_key(stack.dsn, tenant_id, is_sandbox=is_sandbox, scopes=scopes or tuple(KeyScope))
    client = Client(session=session, url=stack.url, tenant_id=tenant_id, key=key)
    if scopes is None:
        await client.ask("PUT", "/v1/accounts/ann", {"role": "agent"})
    return client


async def test_ids_of_another_tenant_are_answered_like_ids_of_nobody(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    """On every route with an id: 404, in the same words, and nothing has happened."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        ann = await enrolled(helpdesk, "ann")
        login = await helpdesk.login("ann")
        factor = (await helpdesk.call("GET", "/v1/accounts/ann/factors"))["data"][0]
        key = await helpdesk.call("POST", "/v1/api-keys", {"name": "x", "scopes": ["logins"]}, expect=201)
        ids = {"account_id": "ann", "challenge_id": login["challenge"]["id"], "factor_id": factor["id"]}
        ids |= {"key_id": key["id"], "device_id": new_id(), "recovery_id": new_id()}
        report = await helpdesk.call("POST", "/v1/reports", {}, expect=202)
        endpoint = await helpdesk.call("POST", "/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/"}, expect=201)
        ids |= {"report_id": report["id"], "endpoint_id": endpoint["id"], "delivery_id": new_id()}
        stranger = await other_tenant(stack, session)
        for route in WITH_IDS:
            told = [await _told(stranger, route, ids), await _told(stranger, route, ids | _unknown(route))]
            assert told[0] == told[1], route.path
            assert told[0][0] == 404, route.path
        after = await helpdesk.call("GET", f"/v1/challenges/{ids['challenge_id']}")
        assert (after["state"], after["attempts_left"]) == ("open", 5)
        backup = await helpdesk.verify(login["challenge"], backup_code=ann.backup_codes[0])
        proof = {"type": "totp", "proof": login["challenge"]["id"]}
        assert "assertion" in backup
        mine = await stranger.ask("POST", "/v1/accounts/ann/factors", {"type": "totp"})
        assert mine.status == 201  # their own ann has none yet
        begun = f"/v1/accounts/ann/factors/{mine.json['factor']['id']}/confirm"
        assert (await _send(helpdesk, "POST", begun, {"code": "123456"}))["code"] == "factor_not_found"
        assert (await stranger.ask("GET", "/v1/sandbox/messages")).json["data"] == []
        assert (await helpdesk.call("POST", "/v1/accounts/ann/factors", proof, expect=201))["factor"]


async def _send(helpdesk: Helpdesk, method: str, path: str, body: object) -> Json:
    _, document, _ = await helpdesk.ask(method, path, body)
    return document


def _unknown(route: Route) -> dict[str, object]:
    return {part: new_id() for part in route.parts if part != "account_id"}


async def _told(client: Client, route: Route, ids: dict[str, object]) -> tuple[int, object]:
    path = re.sub(r"{(\w+)}", lambda part: str(ids[part[1]]), route.path)
    body = BODIES.get(route.path, {}) if route.body else None
    answer = await client.ask(route.method, path, body)
    return answer.status, {**answer.json, "request_id": None}


async def test_a_trusted_device_is_trusted_at_its_own_tenant(stack: Stack, session: aiohttp.ClientSession) -> None:
    """Two helpdesks know the same person by the same id."""
    async with open_world(stack) as world:
        ann = await enrolled(world.helpdesk, "ann")
        await world.helpdesk.move_clock(dt.timedelta(seconds=30))
        login = await world.helpdesk.login("ann")
        code = ann.totp(world.helpdesk.now)
        verified = await world.helpdesk.verify(login["challenge"], code=code, trust_device=True)
        token = verified["trusted_device"]["token"]
        async with open_world(stack) as elsewhere:
            await enrolled(elsewhere.helpdesk, "ann")
            assert (await elsewhere.helpdesk.login("ann", trusted_device_token=token))["decision"] == "challenge"
        assert (await world.helpdesk.login("ann", trusted_device_token=token))["decision"] == "allow"


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.allows is not May.ANY_KEY],
    ids=lambda route: f"{route.method} {route.path}",
)
async def test_a_key_without_the_scope_gets_nowhere(stack: Stack, session: aiohttp.ClientSession, route: Route) -> None:
    """A leaked key of the reports job signs nobody in."""
    assert not isinstance(route.allows, May)
    others = tuple(scope for scope in KeyScope if scope not in route.allows)
    client = await other_tenant(stack, session, scopes=others)
    ids: dict[str, object] = {"account_id": "ann", **_unknown(route)}
    status, told = await _told(client, route, ids)
    assert isinstance(told, dict)
    assert (status, told["code"]) == (403, "forbidden_scope")


async def test_a_live_tenant_has_neither_clock_nor_readable_messages(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    """What makes a sandbox easy to try would be the end of every code."""
    live = await other_tenant(stack, session, is_sandbox=False)
    answers = [
        await live.call("POST", "/v1/sandbox/clock", {"advance_seconds": 30}),
        await live.call("GET", "/v1/sandbox/messages"),
    ]
    assert [(answer.status, answer.code) for answer in answers] == [(403, "not_a_sandbox")] * 2
    assert live.key is not None
    renamed = live.key.reveal().replace("df_live_", "df_test_")
    headers = {"Authorization": f"Bearer {renamed}"}
    assert (await live.call("GET", "/v1/sandbox/messages", headers=headers)).status == 401


async def test_a_receipt_that_its_provider_did_not_sign_is_not_taken_in(
    stack: Stack, session: aiohttp.ClientSession
) -> None:
    """Anybody can post to the address; the token of sandboxes is known, and opens nothing live."""
    live, sandbox = [await other_tenant(stack, session, is_sandbox=each) for each in (False, True)]
    params = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    for client, token in ((live, SANDBOX_TOKEN), (live, ""), (sandbox, "guessed")):
        path = f"/v1/callbacks/twilio?tenant={client.tenant_id}&delivery={new_id()}"
        signature = RequestValidator(token).compute_signature(stack.url + path, params)
        headers = {"X-Twilio-Signature": signature}
        async with session.post(stack.url + path, data=params, headers=headers) as response:
            assert (response.status, (await response.json(content_type=None))["code"]) == (403, "signature_wrong")
    async with session.post(f"{stack.url}/v1/callbacks/twilio?tenant=1&delivery=2", data=params) as response:
        assert response.status == 404


async def test_an_assertion_that_we_did_not_sign_does_not_verify(stack: Stack) -> None:
    """Unsigned, signed with what is public, with a key of one's own, about somebody else."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, await enrolled(world.helpdesk, "ann")
        challenge = (await helpdesk.login("ann"))["challenge"]
        genuine = (await helpdesk.verify(challenge, backup_code=ann.backup_codes[0]))["assertion"]
        claims = jwt.decode(genuine, options={"verify_signature": False})
        head = jwt.get_unverified_header(genuine)
        published = (await helpdesk.call("GET", "/.well-known/jwks.json"))["keys"]
        public = next(urlsafe_b64decode(key["x"] + "==") for key in published if key["kid"] == head["kid"])
        header, payload, signature = genuine.split(".")
        about_root = jwt.encode(claims | {"sub": "root"}, "", algorithm="none").split(".")[1]
        forged = [
            jwt.encode(claims, "", algorithm="none", headers={"kid": head["kid"]}),
            jwt.encode(claims, public, algorithm="HS256", headers={"kid": head["kid"]}),
            jwt.encode(claims, public, algorithm="HS256", headers={"kid": "k99"}),
            f"{header}.{about_root}.{signature}",
            f"{header}.{payload}.",
        ]
        for each in forged:
            with pytest.raises(Unexpected):
                await helpdesk.check_assertion(each, account_id="ann", challenge_id=challenge["id"])
        await helpdesk.check_assertion(genuine, account_id="ann", challenge_id=challenge["id"])
        with pytest.raises(Unexpected):
            await helpdesk.check_assertion(genuine, account_id="root", challenge_id=challenge["id"])


async def test_a_key_that_is_revoked_is_over(stack: Stack, session: aiohttp.ClientSession) -> None:
    """Where it was revoked at once; elsewhere within five seconds."""
    tenant_id = await create_tenant(stack.dsn, name="Acme Helpdesk", is_sandbox=True)
    first = await create_api_key(stack.dsn, tenant_id, name="first")
    client = Client(session=session, url=stack.url, tenant_id=tenant_id, key=first)
    made = (await client.call("POST", "/v1/api-keys", {"name": "second", "scopes": ["logins"]})).json
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await client.call("GET", "/v1/tenant", headers=headers)).status == 200
    assert (await client.call("DELETE", f"/v1/api-keys/{made['id']}")).status == 200
    assert (await client.call("GET", "/v1/tenant", headers=headers)).code == "unauthorized"
